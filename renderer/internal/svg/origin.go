package svg

import (
	"fmt"
	"strconv"
	"strings"
)

// unmoved are the elements whose transform-origin mendOrigin leaves as it is: their transform is another attribute,
// or counts in units of another element.
var unmoved = map[string]bool{"svg": true, "clipPath": true, "mask": true, "pattern": true, "linearGradient": true, "radialGradient": true}

// view is the reference box of transform-origin: the sides of the root element's viewBox, or of the root element.
type view struct {
	width, height float64
	depth         int // svg elements so far; a second one is another reference box
}

// see notes the reference box of an svg element.
func (v *view) see(t tag) {
	if v.depth++; v.depth > 1 {
		*v = view{depth: v.depth}
		return
	}
	v.width, _ = strconv.ParseFloat(strings.TrimSuffix(strings.Trim(t.value("width"), space), "px"), 64)
	v.height, _ = strconv.ParseFloat(strings.TrimSuffix(strings.Trim(t.value("height"), space), "px"), 64)
	box := strings.FieldsFunc(t.value("viewBox"), func(c rune) bool { return c == ',' || strings.ContainsRune(space, c) })
	if len(box) == 4 {
		v.width, _ = strconv.ParseFloat(box[2], 64)
		v.height, _ = strconv.ParseFloat(box[3], 64)
	}
}

// mendOrigin returns a tag whose transform includes the attribute transform-origin, which librsvg ignores
// (CSS Transforms, 6).
func (v *view) mendOrigin(t tag) tag {
	origin, ok := t.get("transform-origin")
	if !ok || unmoved[local(t.name)] {
		return t
	}
	x, y, ok := v.point(t.text[origin.from:origin.to])
	if !ok {
		return t
	}
	t = t.without(origin)
	transform, ok := t.get("transform")
	if !ok {
		return t
	}
	return readTag(t.with(transform, fmt.Sprintf("translate(%g %g) %s translate(%g %g)", x, y, t.text[transform.from:transform.to], 0-x, 0-y)))
}

// point returns the coordinates of a transform-origin, or false if it cannot tell them.
func (v *view) point(origin string) (x, y float64, ok bool) {
	words := strings.Fields(strings.ToLower(origin))
	if len(words) == 1 {
		words = append(words, "center")
	}
	if len(words) != 2 {
		return 0, 0, false
	}
	vertical := map[string]bool{"top": true, "bottom": true}
	if vertical[words[0]] || words[1] == "left" || words[1] == "right" {
		words[0], words[1] = words[1], words[0]
	}
	x, okX := coordinate(words[0], v.width, "left", "right")
	y, okY := coordinate(words[1], v.height, "top", "bottom")
	return x, y, okX && okY
}

// coordinate returns a length, a percentage or a keyword as a number of pixels.
func coordinate(word string, side float64, start, end string) (float64, bool) {
	part := map[string]float64{start: 0, "center": .5, end: 1}
	if share, ok := part[word]; ok {
		return share * side, side > 0
	}
	number, percent := strings.CutSuffix(word, "%")
	value, err := strconv.ParseFloat(strings.TrimSuffix(number, "px"), 64)
	if percent {
		return value / 100 * side, err == nil && side > 0
	}
	return value, err == nil
}
