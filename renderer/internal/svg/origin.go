package svg

import (
	"fmt"
	"strconv"
	"strings"
)

// unmoved are the elements whose transform-origin mendOrigin leaves as it is: their transform is another attribute,
// or counts in units of another element.
var unmoved = map[string]bool{"svg": true, "clipPath": true, "mask": true, "pattern": true, "linearGradient": true, "radialGradient": true}

// view is the reference box of lengths: the sides of the root element's viewBox, or of the root element.
type view struct {
	width, height float64 // 0 if unknown
	nested        int     // svg elements inside of the root that are open; each is another reference box
}

// viewOf returns the reference box of a root element.
func viewOf(t tag) (v view) {
	v.width, _ = t.number("width", 0)
	v.height, _ = t.number("height", 0)
	box := numbers(t.value("viewBox"))
	if len(box) == 4 {
		v.width, v.height = box[2], box[3]
	}
	return v
}

// numbers returns the numbers of a list, or nil if the list has other words.
func numbers(list string) (all []float64) {
	for _, word := range strings.FieldsFunc(list, func(c rune) bool { return c == ',' || strings.ContainsRune(space, c) }) {
		v, ok := pixels(word)
		if !ok {
			return nil
		}
		all = append(all, v)
	}
	return all
}

// mendOrigin returns a tag whose transform includes the attribute transform-origin, which librsvg ignores
// (CSS Transforms, 6).
func (m *mender) mendOrigin(t tag, _ *edit) tag {
	origin, ok := t.get("transform-origin")
	if !ok || unmoved[local(t.name)] {
		return t
	}
	x, y, ok := m.box().point(t.text[origin.from:origin.to])
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
func (v view) point(origin string) (x, y float64, ok bool) {
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
	if number, percent := strings.CutSuffix(word, "%"); percent {
		value, err := strconv.ParseFloat(number, 64)
		return value / 100 * side, err == nil && side > 0
	}
	return pixels(word)
}
