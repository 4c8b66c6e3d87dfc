package svg

import (
	"regexp"
	"strings"
)

const (
	number = `[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?`
	share  = number + `%?`
	length = number + `(px|pt|pc|mm|cm|in|em|ex|ch|rem|vw|vh|q|Q|%)?`
	units  = "userSpaceOnUse|objectBoundingBox"
	comma  = `[\s,]+`
)

// valid has the forms of valid values by element and attribute, without spaces at their ends.
var valid = map[string]map[string]*regexp.Regexp{
	"clipPath":       {"clipPathUnits": form(units)},
	"feBlend":        {"mode": form("normal|multiply|screen|overlay|darken|lighten|color-dodge|color-burn|hard-light|soft-light|difference|exclusion|hue|saturation|color|luminosity")},
	"feColorMatrix":  {"type": form("matrix|saturate|hueRotate|luminanceToAlpha")},
	"feComposite":    {"operator": form("over|in|out|atop|xor|lighter|arithmetic")},
	"feDropShadow":   {"dx": form(number), "dy": form(number), "stdDeviation": form(deviation)},
	"feGaussianBlur": {"stdDeviation": form(deviation)},
	"feMorphology":   {"operator": form("erode|dilate")},
	"feOffset":       {"dx": form(number), "dy": form(number)},
	"feTurbulence":   {"type": form("fractalNoise|turbulence"), "stitchTiles": form("stitch|noStitch")},
	"filter":         {"filterUnits": form(units), "primitiveUnits": form(units), "width": form("[^-].*"), "height": form("[^-].*")},
	"linearGradient": {"gradientUnits": form(units), "spreadMethod": form(spread)},
	"marker":         {"markerUnits": form("strokeWidth|userSpaceOnUse")},
	"mask":           {"maskUnits": form(units), "maskContentUnits": form(units)},
	"pattern":        {"patternUnits": form(units), "patternContentUnits": form(units)},
	"radialGradient": {"gradientUnits": form(units), "spreadMethod": form(spread)},
	"rect":           {"x": form(length), "y": form(length), "width": form(length), "height": form(length)},
	"stop":           {"offset": form(share)},
}

const (
	spread    = "pad|reflect|repeat"
	deviation = `\+?(` + unsigned + `)(` + comma + `\+?(` + unsigned + `))?`
	unsigned  = `(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?`
)

func form(pattern string) *regexp.Regexp { return regexp.MustCompile("^(" + pattern + ")$") }

// matrix is the form of the values of a matrix of colours.
var matrix = form(number + `((` + comma + `)?` + number + `){19}`)

// mendValues returns a tag without invalid values, so that the attribute's default counts, as in browsers
// (SVG 2, 4.1). librsvg draws no element with such a filter, nor an element that has such a value.
func mendValues(t tag) tag {
	for name, form := range valid[local(t.name)] {
		t = t.withoutUnlike(name, form)
	}
	if kind := strings.Trim(t.value("type"), space); local(t.name) == "feColorMatrix" && (kind == "" || kind == "matrix") {
		t = t.withoutUnlike("values", matrix)
	}
	return t
}

// withoutUnlike returns the tag without an attribute whose value has another form. It keeps values with references to
// entities.
func (t tag) withoutUnlike(name string, form *regexp.Regexp) tag {
	a, ok := t.get(name)
	if !ok {
		return t
	}
	value := strings.Trim(t.text[a.from:a.to], space)
	if strings.Contains(value, "&") || form.MatchString(value) {
		return t
	}
	return t.without(a)
}
