package svg

import (
	"fmt"
	"regexp"
	"strings"
)

// mendMarker turns percentages of a marker into numbers: of the reference box, not of the marker's own box as in
// librsvg.
func (m *mender) mendMarker(t tag, _ *edit) tag {
	box := m.box()
	for name, side := range map[string]float64{"refX": box.width, "refY": box.height, "markerWidth": box.width, "markerHeight": box.height} {
		value := strings.Trim(t.value(name), space)
		if !strings.HasSuffix(value, "%") {
			continue
		}
		if v, ok := coordinate(value, side, "", ""); ok {
			t = t.set(name, fmt.Sprintf("%g", v))
		}
	}
	return t
}

// mendMask drops the transform of a mask, which has no effect (CSS Masking, 9.1) but in librsvg.
func (m *mender) mendMask(t tag, _ *edit) tag {
	if a, ok := t.get("transform"); ok {
		return t.without(a)
	}
	return t
}

// mendPattern writes out the viewBox of a pattern in pixels as a transform of its content. librsvg scales the place of
// the viewBox twice.
func (m *mender) mendPattern(t tag, e *edit) tag {
	box := numbers(t.value("viewBox"))
	width, okW := t.number("width", 0)
	height, okH := t.number("height", 0)
	if len(box) != 4 || !okW || !okH || min(box[2], box[3], width, height) <= 0 ||
		strings.Trim(t.value("patternUnits"), space) != "userSpaceOnUse" || t.value("preserveAspectRatio") != "" {
		return t
	}
	scale := min(width/box[2], height/box[3])
	x, y := (width-box[2]*scale)/2-box[0]*scale, (height-box[3]*scale)/2-box[1]*scale
	if x == 0 && y == 0 || scale == 1 {
		return t
	}
	units := edit{drop: []string{"viewBox", "patternContentUnits"}}
	e.first += fmt.Sprintf(`<%sg transform="translate(%g %g) scale(%g)">`, t.prefix(), x, y, scale)
	e.last = "</" + t.prefix() + "g>" + e.last
	return units.apply(t)
}

// coordinates matches the numbers of a list of points.
var coordinates = regexp.MustCompile(number)

// mendPoints drops the last of an odd number of coordinates (SVG 2, 10.6). librsvg draws no such element.
func (m *mender) mendPoints(t tag, _ *edit) tag {
	points := t.value("points")
	found := coordinates.FindAllStringIndex(points, -1)
	if len(found)%2 == 0 {
		return t
	}
	return t.set("points", strings.TrimRight(points[:found[len(found)-1][0]], space+","))
}

// mendStyle makes rules of another language than CSS a description. librsvg reads them.
func (m *mender) mendStyle(t tag, e *edit) tag {
	if kind := strings.ToLower(strings.Trim(t.value("type"), space)); kind == "" || strings.HasPrefix(kind, "text/css") || strings.Contains(kind, "&") {
		return t
	}
	return m.hide(t, e)
}

// hide makes an element a description: browsers do not draw XInclude's elements.
func (m *mender) hide(t tag, e *edit) tag {
	e.name = "desc"
	return t.replaced("desc", "")
}

// mendSymbol gives the opacity of a symbol to its content, because librsvg ignores it.
func (m *mender) mendSymbol(t tag, e *edit) tag {
	a, ok := t.get("opacity")
	if !ok || t.empty() {
		return t
	}
	e.first += "<" + t.prefix() + "g" + t.copied("opacity") + ">"
	e.last = "</" + t.prefix() + "g>" + e.last
	return t.without(a)
}
