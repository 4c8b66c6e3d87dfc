package svg

import "strings"

// hideConditions hides elements for readers of other languages. librsvg does so only in a switch element.
func (p *planner) hideConditions() {
	for i, e := range p.drawing.elements {
		given := e.tag.value("systemLanguage")
		if given == "" || !e.whole || strings.Contains(given, "&") || e.parent >= 0 && p.drawing.elements[e.parent].kind == "switch" || p.reads(given) {
			continue
		}
		p.set(i, "display", "none")
	}
}

// reads reports whether the reader prefers one of a list of languages (SVG 2, 5.8.5).
func (p *planner) reads(list string) bool {
	for l := range strings.SplitSeq(strings.ToLower(list), ",") {
		l = strings.Trim(l, space)
		for _, preferred := range p.languages {
			if l == preferred || strings.HasPrefix(l, preferred+"-") {
				return true
			}
		}
	}
	return false
}
