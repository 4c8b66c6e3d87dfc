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

// rule is the form of an attribute's valid values, without spaces at their ends, and the value in the place of others.
type rule struct {
	form    *regexp.Regexp
	instead string // "" means no attribute
}

// valid has the rules by element and attribute.
var valid = map[string]map[string]rule{
	"clipPath":           {"clipPathUnits": form(units)},
	"feBlend":            {"mode": form("normal|multiply|screen|overlay|darken|lighten|color-dodge|color-burn|hard-light|soft-light|difference|exclusion|hue|saturation|color|luminosity")},
	"feColorMatrix":      {"type": form("matrix|saturate|hueRotate|luminanceToAlpha")},
	"feComposite":        {"operator": form("over|in|out|atop|xor|lighter|arithmetic")},
	"feDiffuseLighting":  {"diffuseConstant": form(notNegative).or("0")},
	"feDropShadow":       {"dx": form(number), "dy": form(number), "stdDeviation": form(deviation)},
	"feFuncA":            transfers,
	"feFuncB":            transfers,
	"feFuncG":            transfers,
	"feFuncR":            transfers,
	"feGaussianBlur":     {"stdDeviation": form(deviation)},
	"feMorphology":       {"operator": form("erode|dilate")},
	"feOffset":           {"dx": form(number), "dy": form(number)},
	"feSpecularLighting": {"specularConstant": form(notNegative).or("0")},
	"feSpotLight":        {"specularExponent": form(positive).or("1")},
	"feTurbulence":       {"type": form("fractalNoise|turbulence"), "stitchTiles": form("stitch|noStitch")},
	"filter":             {"filterUnits": form(units), "primitiveUnits": form(units), "width": form(notNegative).or("0"), "height": form(notNegative).or("0")},
	"linearGradient":     {"gradientUnits": form(units), "spreadMethod": form(spread)},
	"marker":             {"markerUnits": form("strokeWidth|userSpaceOnUse")},
	"mask":               {"maskUnits": form(units), "maskContentUnits": form(units)},
	"pattern":            {"patternUnits": form(units), "patternContentUnits": form(units)},
	"radialGradient":     {"gradientUnits": form(units), "spreadMethod": form(spread), "fr": form(notNegative), "r": form(positive).or(".0001")},
	"rect":               {"x": form(length), "y": form(length), "width": form(length), "height": form(length)},
	"stop":               {"offset": form(share)},
}

// transfers has the rules of the functions of a feComponentTransfer.
var transfers = map[string]rule{
	"amplitude": form(number), "exponent": form(number), "intercept": form(number), "offset": form(number), "slope": form(number),
}

const (
	// Both match text that is not a number, so that librsvg decides about it.
	notNegative = `[^-].*`
	positive    = `\+?[0.]*[1-9].*|[^-+.0-9].*`

	spread    = "pad|reflect|repeat"
	deviation = `\+?(` + unsigned + `)(` + comma + `\+?(` + unsigned + `))?`
	unsigned  = `(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?`
)

func form(pattern string) rule { return rule{regexp.MustCompile("^(" + pattern + ")$"), ""} }

// or returns the rule with a value in the place of invalid values.
func (r rule) or(instead string) rule { return rule{r.form, instead} }

// matrix is the rule of the values of a matrix of colours, beside their number.
var matrix = form(number + `((` + comma + `)?` + number + `)*`).or("1 0 0 0 0 0 1 0 0 0 0 0 1 0 0 0 0 0 1 0")

// matrixSize is the number of values of a matrix of colours.
const matrixSize = 20

// mendValues drops invalid values, so that the attribute's default counts, as in browsers (SVG 2, 4.1), or writes
// out the value that counts in browsers. librsvg draws no element with such a filter, nor an element that has such
// a value.
func (m *mender) mendValues(t tag, _ *edit) tag {
	for name, r := range valid[local(t.name)] {
		t = t.ruled(name, r)
	}
	if kind := strings.Trim(t.value("type"), space); local(t.name) == "feColorMatrix" && (kind == "" || kind == "matrix") {
		if t = t.ruled("values", matrix); t.value("values") != "" && !strings.Contains(t.value("values"), "&") && len(coordinates.FindAllString(t.value("values"), -1)) != matrixSize {
			t = t.set("values", matrix.instead)
		}
	}
	return t
}

// ruled returns the tag with a valid value of an attribute. It keeps values with references to entities.
func (t tag) ruled(name string, r rule) tag {
	a, ok := t.get(name)
	if !ok {
		return t
	}
	value := strings.Trim(t.text[a.from:a.to], space)
	if strings.Contains(value, "&") || r.form.MatchString(value) {
		return t
	}
	if r.instead != "" {
		return readTag(t.with(a, r.instead))
	}
	return t.without(a)
}
