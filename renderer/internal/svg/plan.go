package svg

import (
	"fmt"
	"strings"
)

// plan has the edits by the number of their start tag, which other elements of the drawing ask for.
type plan map[int]*edit

// at returns the edit of an element.
func (p plan) at(i int) *edit {
	if p[i] == nil {
		p[i] = &edit{}
	}
	return p[i]
}

// planner finds the edits of a drawing.
type planner struct {
	drawing   outline
	plan      plan
	styled    bool     // CSS rules may replace attributes
	languages []string // that the reader prefers
	defined   []string // elements that others name; they go to the beginning of the root element
	named     map[string]int
}

// edits returns the plan of a drawing, which is nil for a drawing that is too large to know all its elements, or that
// does not begin with an svg element.
func (p *planner) edits() plan {
	if p.drawing.full || len(p.drawing.elements) == 0 || p.drawing.elements[0].kind != "svg" || !p.drawing.elements[0].whole || p.drawing.elements[0].tag.empty() {
		return nil
	}
	p.plan, p.named = plan{}, map[string]int{}
	for _, find := range []func(){
		p.cutServers, p.cutCircles, p.hideConditions, p.readLists, p.placeImages, p.makeSymbols, p.clipUses, p.unbox, p.unboxFilters, p.makeMasks,
	} {
		find()
	}
	if len(p.defined) > 0 {
		prefix := p.drawing.elements[0].tag.prefix()
		p.plan.at(0).first = "<" + prefix + "defs>" + strings.Join(p.defined, "") + "</" + prefix + "defs>"
	}
	return p.plan
}

// maxDefined bounds the elements that a plan defines.
const maxDefined = 500

// define returns the id of an element with a text, in which {} stands for the prefix of names and {id} for the id.
// Equal texts share an element. It returns "" if there are too many.
func (p *planner) define(kind, text string) string {
	if n, ok := p.named[text]; ok {
		return fmt.Sprintf("thumbmill-%s%d", kind, n)
	}
	n := len(p.defined)
	if n == maxDefined {
		return ""
	}
	p.named[text] = n
	id := fmt.Sprintf("thumbmill-%s%d", kind, n)
	p.defined = append(p.defined, strings.NewReplacer("{}", p.drawing.elements[0].tag.prefix(), "{id}", id).Replace(text))
	return id
}

// drop plans an element without an attribute.
func (p *planner) drop(i int, name string) { p.plan.at(i).drop = append(p.plan.at(i).drop, name) }

// set plans a value of an attribute.
func (p *planner) set(i int, name, value string) {
	p.plan.at(i).set = append(p.plan.at(i).set, [2]string{name, value})
}

// planned returns the start tag with its edit.
func (p *planner) planned(i int) tag {
	if e := p.plan[i]; e != nil {
		return e.apply(p.drawing.elements[i].tag)
	}
	return p.drawing.elements[i].tag
}

// value returns the planned value of an attribute.
func (p *planner) value(i int, name string) string { return p.planned(i).value(name) }

// property returns the planned value of a property.
func (p *planner) property(i int, name string) string { return p.planned(i).property(name) }
