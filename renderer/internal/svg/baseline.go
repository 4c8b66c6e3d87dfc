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

var (
	// inStyle has the forms of properties in a style.
	inStyle = map[string]*regexp.Regexp{
		"dominant-baseline":  regexp.MustCompile(`(^|;)\s*dominant-baseline\s*:\s*([a-z-]+)\s*(;|$)`),
		"overflow":           regexp.MustCompile(`(^|;)\s*overflow\s*:\s*([a-z-]+)\s*(;|$)`),
		"alignment-baseline": regexp.MustCompile(`(^|;)\s*alignment-baseline\s*:\s*([a-z-]+)\s*(;|$)`),
	}
	inEm = regexp.MustCompile(`^(` + number + `)em$`)
)

// mendBaseline lowers or raises a text as its baseline demands: a text by dy, a part of a text by baseline-shift.
// Browsers read either property of both elements.
func (l Library) mendBaseline(t tag) tag {
	name := local(t.name)
	if l.Baselines || name != "text" && name != "tspan" {
		return t
	}
	height := cmp.Or(raised[t.property("dominant-baseline")], raised[t.property("alignment-baseline")])
	if height == 0 || name == "tspan" && t.value("baseline-shift") != "" {
		return t
	}
	if name == "tspan" {
		return t.and(fmt.Sprintf(` baseline-shift="%gem"`, -height))
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

// property returns the value of a property in the tag's style or attributes, or "".
func (t tag) property(name string) string {
	if form := inStyle[name]; form != nil {
		if m := form.FindStringSubmatch(t.value("style")); m != nil {
			return m[2]
		}
	}
	return strings.Trim(t.value(name), space)
}

// and returns the tag with further attributes.
func (t tag) and(attributes string) tag {
	at := 1 + len(t.name)
	return readTag(t.text[:at] + attributes + t.text[at:])
}
