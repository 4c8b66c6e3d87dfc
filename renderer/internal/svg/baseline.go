package svg

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// Library says what librsvg can do. The zero value is the librsvg of Debian 12.
type Library struct {
	Baselines bool // it knows dominant-baseline and alignment-baseline, as from 2.60 on
}

// raised has the heights of baselines over the alphabetic one, in em. They are means of the usual fonts without serifs
// (DejaVu, Liberation, Noto), by the rules of CSS Inline Layout 3, appendix A.
var raised = map[string]float64{
	"middle": .265, "central": .355, "mathematical": .48, "hanging": .76,
	"text-before-edge": .96, "text-top": .96, "before-edge": .96, "text-after-edge": -.23, "text-bottom": -.23, "after-edge": -.23, "ideographic": -.23,
}

var inEm = regexp.MustCompile(`^(` + number + `)em$`)

// baseline is the baseline of an element's text.
type baseline struct {
	dominant  string  // elements inherit it
	alignment string  // the element's own
	height    float64 // of the text that contains the element, as Mend moved it, in em
}

// of returns the baseline of an element inside of an element with baseline b.
func (b baseline) of(t tag) baseline {
	if own := t.property("dominant-baseline"); own != "" && own != "inherit" {
		b.dominant = own
	}
	if own := t.property("alignment-baseline"); own != "inherit" {
		b.alignment = own
	}
	switch local(t.name) {
	case "text":
		b.height = cmp.Or(raised[b.dominant], raised[b.alignment])
	case "tspan", "textPath":
		b.height = b.inside()
	}
	return b
}

// inside returns the height of the baseline of a part of a text.
func (b baseline) inside() float64 {
	if b.alignment == "" || b.alignment == "auto" || b.alignment == "baseline" {
		return raised[b.dominant]
	}
	return raised[b.alignment]
}

// asDominant returns a text with its alignment-baseline as its dominant-baseline, because librsvg 2.60 reads the former
// of parts of a text alone.
func (b baseline) asDominant(t tag) tag {
	if local(t.name) != "text" || raised[b.dominant] != 0 || raised[b.alignment] == 0 || strings.Contains(t.value("style"), "dominant-baseline") {
		return t
	}
	return t.set("dominant-baseline", cmp.Or(edges[b.alignment], b.alignment))
}

// edges has the values of alignment-baseline that dominant-baseline names otherwise.
var edges = map[string]string{"before-edge": "text-before-edge", "after-edge": "text-after-edge"}

// dropShift drops the shift of a group, which its texts do not inherit (SVG 1.1, 10.9.2) but in librsvg.
func (m *mender) dropShift(t tag, _ *edit) tag {
	if a, ok := t.get("baseline-shift"); ok {
		return t.without(a)
	}
	return t
}

// mendBaseline lowers or raises a text as its baseline demands, which librsvg does from 2.60 on: a text by dy, a part of
// a text by baseline-shift. Browsers read either property of both elements.
func (m *mender) mendBaseline(t tag, _ *edit) tag {
	outside := m.baseline()
	own := outside.of(t)
	height := own.height
	if m.facts.library.Baselines {
		return own.asDominant(t)
	}
	if local(t.name) != "text" {
		height -= outside.height
		if height == 0 || t.value("baseline-shift") != "" {
			return t
		}
		return t.and(fmt.Sprintf(` baseline-shift="%.4gem"`, -height))
	}
	if height == 0 {
		return t
	}
	a, ok := t.get("dy")
	if !ok {
		return t.and(fmt.Sprintf(` dy="%gem"`, height))
	}
	var given float64
	value := strings.Trim(t.text[a.from:a.to], space)
	if m := inEm.FindStringSubmatch(value); m != nil {
		_, _ = fmt.Sscan(m[1], &given)
	} else if value != "0" {
		return t // a sum of different units
	}
	return readTag(t.with(a, fmt.Sprintf("%gem", given+height)))
}
