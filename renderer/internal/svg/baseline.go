package svg

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// Library says what librsvg can do. The zero value is the librsvg of Debian 12.
type Library struct {
	Baselines bool // it knows dominant-baseline, as from 2.60 on; no version knows alignment-baseline
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
	dominant  string // elements inherit it
	alignment string // the element's alone, unless an element asks to inherit it
	own       string // one of the two, for the element's characters
}

// of returns the baseline of an element inside of an element with baseline b.
func (b baseline) of(t tag) baseline {
	if given := t.property("dominant-baseline"); given != "" && given != "inherit" {
		b.dominant = given
	}
	if alignment := t.property("alignment-baseline"); alignment != "inherit" {
		b.alignment = alignment
	}
	b.own = b.dominant
	switch local(t.name) {
	case "text":
		if raised[b.dominant] == 0 && raised[b.alignment] != 0 {
			b.own = b.alignment
		}
	case "tspan", "textPath":
		if b.alignment != "" && b.alignment != "auto" && b.alignment != "baseline" {
			b.own = b.alignment
		}
	}
	return b
}

// mendDominant gives an element its baseline as its dominant-baseline.
func (b baseline) mendDominant(t tag, outside baseline) tag {
	given := t.property("dominant-baseline")
	if given == "" || given == "inherit" {
		given = outside.own
	}
	if b.own == given || strings.Contains(t.value("style"), "dominant-baseline") {
		return t
	}
	return t.set("dominant-baseline", cmp.Or(edges[b.own], b.own, "auto"))
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

// mendBaseline lowers or raises a text as its baseline demands, as far as librsvg does not: a text by dy, a part of a text
// by baseline-shift. Browsers read either property of both elements.
func (m *mender) mendBaseline(t tag, _ *edit) tag {
	outside := m.baseline()
	own := outside.of(t)
	if m.facts.library.Baselines {
		return own.mendDominant(t, outside)
	}
	if local(t.name) == "text" {
		return t.lowered(raised[own.own])
	}
	height := raised[own.own] - raised[outside.own]
	if height == 0 || t.value("baseline-shift") != "" {
		return t
	}
	return t.and(fmt.Sprintf(` baseline-shift="%.4gem"`, -height))
}

// lowered returns the tag of a text that is lower by a height in em.
func (t tag) lowered(height float64) tag {
	a, ok := t.get("dy")
	switch {
	case height == 0:
		return t
	case !ok:
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
