package svg

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// unbox writes out the bounding boxes that clips, masks and gradients of turned elements count in. librsvg takes the box
// around the turned element's upright box, and applies a clip's transform before the box.
func (p *planner) unbox() {
	for i, users := range p.usersOf("clipPath", "clip-path") {
		if len(users) == 1 && p.inBox(i, "clipPathUnits", false) && (p.turned(users[0]) || p.value(i, "transform") != "") {
			if box, ok := p.bounds(users[0]); ok {
				p.set(i, "clipPathUnits", "userSpaceOnUse")
				p.set(i, "transform", strings.TrimLeft(p.value(i, "transform")+" "+box.matrix(), " "))
			}
		}
	}
	for i, users := range p.usersOf("mask", "mask") {
		if len(users) == 1 && p.inBox(i, "maskUnits", true) && p.turned(users[0]) {
			if box, ok := p.bounds(users[0]); ok {
				p.unboxMask(i, box)
			}
		}
	}
	for i, e := range p.drawing.elements {
		if e.kind == "g" { // its elements have boxes of their own
			continue
		}
		if box, ok := p.bounds(i); ok && p.turned(i) {
			p.unboxPaint(i, "fill", box)
			p.unboxPaint(i, "stroke", box)
		}
	}
}

// unboxFilters writes out the lengths of primitives in bounding boxes, which librsvg also applies to the frequency of
// turbulence, and cuts in feMorphology.
func (p *planner) unboxFilters() {
	users := p.usersOf("filter", "filter")
	for i, e := range p.drawing.elements {
		if e.kind != "filter" || !e.whole || !p.inBox(i, "primitiveUnits", false) || len(users[i]) != 1 {
			continue
		}
		box, ok := p.bounds(users[i][0])
		if !ok || slices.ContainsFunc(e.kids, func(k int) bool { return !p.scalable(k) }) {
			continue
		}
		p.set(i, "primitiveUnits", "userSpaceOnUse")
		for _, k := range e.kids {
			p.scale(k, box)
		}
	}
}

// scalable reports whether scale knows all lengths of a primitive.
func (p *planner) scalable(k int) bool {
	e := p.drawing.elements[k]
	for _, name := range []string{"radius", "stdDeviation", "dx", "dy", "x", "y", "width", "height"} {
		if value := strings.Trim(e.tag.value(name), space); value != "" && numbers(value) == nil {
			return false
		}
	}
	switch e.kind {
	case "feBlend", "feColorMatrix", "feComponentTransfer", "feComposite", "feDropShadow", "feFlood", "feGaussianBlur", "feMerge", "feMorphology",
		"feOffset", "feTile", "feTurbulence":
		return e.whole
	}
	return false
}

// scale plans a primitive with lengths in pixels.
func (p *planner) scale(k int, box rectangle) {
	t := p.drawing.elements[k].tag
	for _, name := range []string{"radius", "stdDeviation"} {
		if both := numbers(t.value(name)); len(both) == 1 || len(both) == 2 {
			p.set(k, name, fmt.Sprintf("%g %g", both[0]*box.width, both[len(both)-1]*box.height))
		}
	}
	for name, side := range map[string]float64{"dx": box.width, "dy": box.height, "width": box.width, "height": box.height} {
		if one := numbers(t.value(name)); len(one) == 1 {
			p.set(k, name, fmt.Sprintf("%g", one[0]*side))
		}
	}
	if one := numbers(t.value("x")); len(one) == 1 {
		p.set(k, "x", fmt.Sprintf("%g", box.x+one[0]*box.width))
	}
	if one := numbers(t.value("y")); len(one) == 1 {
		p.set(k, "y", fmt.Sprintf("%g", box.y+one[0]*box.height))
	}
}

// usersOf returns the elements whose property names each element of a kind.
func (p *planner) usersOf(kind, property string) map[int][]int {
	users := map[int][]int{}
	for i := range p.drawing.elements {
		if j, ok := p.drawing.byID[referred(p.property(i, property))]; ok && p.drawing.elements[j].kind == kind && p.drawing.elements[j].whole {
			users[j] = append(users[j], i)
		}
	}
	return users
}

// inBox reports whether an attribute of units, or its default, means the bounding box.
func (p *planner) inBox(i int, units string, byDefault bool) bool {
	value := strings.Trim(p.value(i, units), space)
	return value == "objectBoundingBox" || value == "" && byDefault
}

// turned reports whether a transform may turn or skew an element.
func (p *planner) turned(i int) bool {
	for ; i >= 0; i = p.drawing.elements[i].parent {
		t := p.drawing.elements[i].tag.property("transform")
		if strings.Contains(t, "rotate") || strings.Contains(t, "skew") || strings.Contains(t, "matrix") {
			return true
		}
	}
	return false
}

// matrix returns the transform from the unit square to the rectangle.
func (r rectangle) matrix() string {
	return fmt.Sprintf("matrix(%g 0 0 %g %g %g)", r.width, r.height, r.x, r.y)
}

func (p *planner) unboxMask(i int, box rectangle) {
	x, ok1 := fraction(p.value(i, "x"), -.1)
	y, ok2 := fraction(p.value(i, "y"), -.1)
	width, ok3 := fraction(p.value(i, "width"), 1.2)
	height, ok4 := fraction(p.value(i, "height"), 1.2)
	if !ok1 || !ok2 || !ok3 || !ok4 || p.inBox(i, "maskContentUnits", false) {
		return
	}
	p.set(i, "maskUnits", "userSpaceOnUse")
	p.set(i, "x", fmt.Sprintf("%g", box.x+x*box.width))
	p.set(i, "y", fmt.Sprintf("%g", box.y+y*box.height))
	p.set(i, "width", fmt.Sprintf("%g", width*box.width))
	p.set(i, "height", fmt.Sprintf("%g", height*box.height))
}

// ends has the coordinates of gradients in their bounding box, with their defaults; a focus is at the centre.
var ends = map[string][][2]string{
	"linearGradient": {{"x1", "0"}, {"y1", "0"}, {"x2", "1"}, {"y2", "0"}},
	"radialGradient": {{"cx", ".5"}, {"cy", ".5"}, {"r", ".5"}, {"fx", ""}, {"fy", ""}, {"fr", "0"}},
}

// unboxPaint gives an element a gradient in its own coordinates.
func (p *planner) unboxPaint(i int, property string, box rectangle) {
	id := referred(p.drawing.inherited(i, property))
	j, ok := p.drawing.byID[id]
	if !ok || ends[p.drawing.elements[j].kind] == nil || p.styled || strings.ContainsAny(id, `"<&{`) ||
		strings.Trim(p.gradient(j, "gradientUnits"), space) == "userSpaceOnUse" {
		return
	}
	text := fmt.Sprintf(`<{}%s id="{id}" href="#%s" gradientUnits="userSpaceOnUse" gradientTransform="%s"`,
		p.drawing.elements[j].kind, id, strings.TrimRight(box.matrix()+" "+p.gradient(j, "gradientTransform"), " "))
	for _, end := range ends[p.drawing.elements[j].kind] {
		value, ok := fraction(cmp.Or(p.gradient(j, end[0]), end[1]), 0)
		if !ok {
			return
		}
		if end[1] != "" || p.gradient(j, end[0]) != "" {
			text += fmt.Sprintf(` %s="%g"`, end[0], value)
		}
	}
	if id := p.define("gradient", text+"/>"); id != "" {
		p.set(i, property, "url(#"+id+")")
	}
}

// gradient returns an attribute of a gradient, or of a gradient that it refers to.
func (p *planner) gradient(i int, name string) string {
	for range maxLinks {
		if v := p.value(i, name); v != "" || p.value(i, "href") == "" {
			return v
		}
		next, ok := p.drawing.target(i)
		if !ok || p.drawing.elements[next].kind != p.drawing.elements[i].kind {
			return ""
		}
		i = next
	}
	return ""
}

// maxLinks bounds the gradients that refer to each other.
const maxLinks = 20
