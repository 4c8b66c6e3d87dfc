package svg

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	// maxMade bounds the primitives that Mend writes out as several; each takes half a kilobyte.
	maxMade = 1000
	// maxOctaves bounds the octaves of turbulence. Each octave counts half as much as the octave before,
	// so further octaves do not change a picture of 8 bits.
	maxOctaves = 10
	// maxRadius is the radius in pixels of the picture to which librsvg cuts the radius of feMorphology.
	maxRadius = 10
	// maxSteps bounds the primitives in each direction that replace a feMorphology. The radius can then be at most
	// maxSteps*maxRadius.
	maxSteps = 16
)

// mendTurbulence bounds the octaves of turbulence, because librsvg spends time on each.
func (m *mender) mendTurbulence(t tag, _ *edit) tag {
	octaves, err := strconv.ParseFloat(strings.Trim(t.value("numOctaves"), space), 64)
	if octaves > maxOctaves || err != nil && octaves > 0 {
		return t.set("numOctaves", strconv.Itoa(maxOctaves))
	}
	return t
}

// common are the attributes of a primitive that all primitives in its place get.
var common = []string{"color-interpolation-filters", "style", "class"}

// writeShadow replaces a shadow by its equivalent primitives (Filter Effects, 9.10), because librsvg 2.54 does not know
// feDropShadow. The first primitive gives the input a name, because the input can be the result of a primitive
// without a name.
func (m *mender) writeShadow(t tag, e *edit) tag {
	if m.made >= maxMade {
		return t
	}
	m.made++
	shared := t.copied(common...)
	element := func(name, attributes string) string { return "<" + t.prefix() + name + shared + attributes + "/>" }
	named := func(attribute, result string) string {
		return fmt.Sprintf(` %s="thumbmill-%s%d"`, attribute, result, m.made)
	}
	e.before += element("feOffset", t.copied("in")+` dx="0" dy="0"`+named("result", "in")) +
		element("feGaussianBlur", named("in", "in")+t.copiedOr("stdDeviation", "2")) +
		element("feOffset", t.copiedOr("dx", "2")+t.copiedOr("dy", "2")+named("result", "blur")) +
		element("feFlood", t.copied("flood-color", "flood-opacity")+named("result", "flood")) +
		element("feComposite", named("in", "flood")+named("in2", "blur")+` operator="in"`+named("result", "shadow"))
	e.first += element("feMergeNode", named("in", "shadow")) + element("feMergeNode", named("in", "in"))
	e.name = "feMerge"
	return t.replaced("feMerge", shared+t.copied("x", "y", "width", "height", "result"))
}

// replaced returns the start tag of another element in the place of t.
func (t tag) replaced(name, attributes string) tag {
	closing := ">"
	if t.empty() {
		closing = "/>"
	}
	return readTag("<" + t.prefix() + name + attributes + closing)
}

// copied returns the text of these attributes, as the tag has them. It leaves out attributes that the tag
// does not have.
func (t tag) copied(names ...string) (text string) {
	for _, name := range names {
		if a, ok := t.get(name); ok {
			quote := t.text[a.from-1 : a.from]
			text += " " + name + "=" + quote + t.text[a.from:a.to] + quote
		}
	}
	return text
}

// copiedOr is copied for one attribute, with a value if the tag does not have it.
func (t tag) copiedOr(name, value string) string {
	if t.value(name) == "" {
		return " " + name + `="` + value + `"`
	}
	return t.copied(name)
}

// splitMorphology replaces a feMorphology of a large radius by several with smaller radii, first across, then down:
// rectangles add. librsvg cuts the radius to maxRadius pixels, because its time grows with the square.
func (m *mender) splitMorphology(t tag, e *edit) tag {
	radii := numbers(t.value("radius"))
	if len(radii) == 1 {
		radii = append(radii, radii[0])
	}
	if len(radii) != 2 || min(radii[0], radii[1]) < 0 || !m.inputs.inPixels || m.box().width <= 0 || m.made >= maxMade {
		return t
	}
	if (radii[0] >= m.box().width || radii[1] >= m.box().height) && strings.Trim(t.value("operator"), space) != "dilate" {
		return m.erase(t, e) // nothing is left
	}
	scale := float64(m.facts.Width) / m.box().width
	across, down := steps(radii[0]*scale), steps(radii[1]*scale)
	if max(across, down) < 2 {
		return t
	}
	in := t.copied("in")
	for i := range across + down {
		radius := fmt.Sprintf("%g 0", radii[0]/float64(across))
		if i >= across {
			radius = fmt.Sprintf("0 %g", radii[1]/float64(down))
		}
		if i == across+down-1 {
			return t.set("radius", radius).set("in", "thumbmill-step"+strconv.Itoa(m.made))
		}
		m.made++
		result := "thumbmill-step" + strconv.Itoa(m.made)
		attributes := in + t.copied(common...) + t.copied("operator", "x", "y", "width", "height")
		e.before += "<" + t.prefix() + "feMorphology" + attributes + ` radius="` + radius + `" result="` + result + `"/>`
		in = ` in="` + result + `"`
	}
	return t
}

// steps returns the number of radii of at most maxRadius that make a radius in pixels.
func steps(radius float64) int {
	return int(min(math.Ceil(radius/maxRadius), maxSteps))
}

// erase replaces a primitive by a transparent colour.
func (m *mender) erase(t tag, e *edit) tag {
	e.name = "feFlood"
	return t.replaced("feFlood", ` flood-opacity="0"`+t.copied("x", "y", "width", "height", "result"))
}

// mendLighting replaces a lighting without a light by a transparent colour (Filter Effects, 11). librsvg draws no
// element with such a filter.
func (m *mender) mendLighting(t tag, e *edit) tag {
	if !t.empty() {
		return t
	}
	return m.erase(t, e)
}

// mendSpot writes out the exponent of a spot light, which is 0 by default in librsvg.
func (m *mender) mendSpot(t tag, _ *edit) tag {
	if t.value("specularExponent") == "" {
		return t.set("specularExponent", "1")
	}
	return t
}

// tableSize is the number of values of a table that replaces a function of alpha. With it, the error of a curve is
// less than a step of 8 bits.
const tableSize = 65

// mendTransfer replaces a function of alpha that leaves 0 to 1 by a table, because librsvg multiplies the colours
// by the result before it bounds it.
func (m *mender) mendTransfer(t tag, _ *edit) tag {
	function := t.transfer()
	if function == nil {
		return t
	}
	values, leaves := make([]string, tableSize), false
	for i := range values {
		v := function(float64(i) / (tableSize - 1))
		leaves = leaves || v < 0 || v > 1
		values[i] = strconv.FormatFloat(min(max(v, 0), 1), 'g', 4, 64)
	}
	if !leaves {
		return t
	}
	return t.set("type", "table").set("tableValues", strings.Join(values, " "))
}

// transfer returns the function of a feFuncA of type linear or gamma, or nil.
func (t tag) transfer() func(float64) float64 {
	parameter := func(name string, otherwise float64) float64 {
		v, ok := t.number(name, otherwise)
		if !ok {
			return otherwise
		}
		return v
	}
	switch strings.Trim(t.value("type"), space) {
	case "linear":
		slope, intercept := parameter("slope", 1), parameter("intercept", 0)
		return func(v float64) float64 { return slope*v + intercept }
	case "gamma":
		amplitude, exponent, offset := parameter("amplitude", 1), parameter("exponent", 1), parameter("offset", 0)
		if exponent < 0 {
			return nil
		}
		return func(v float64) float64 { return amplitude*math.Pow(v, exponent) + offset }
	}
	return nil
}
