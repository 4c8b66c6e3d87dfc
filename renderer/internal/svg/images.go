package svg

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// placeImages moves elements that a feImage draws to the beginning of the primitive's region (Filter Effects, 9.11).
// librsvg draws them where they are, and does not draw a use.
func (p *planner) placeImages() {
	users, corners := map[string][]int{}, map[int]corner{}
	for i, e := range p.drawing.elements {
		if id := referred(e.tag.property("filter")); id != "" {
			users[id] = append(users[id], i)
		}
	}
	for i, e := range p.drawing.elements {
		if e.kind != "feImage" || !e.whole {
			continue
		}
		j, ok := p.drawing.target(i)
		if !ok || strings.ContainsAny(p.drawing.elements[j].tag.value("id"), `"<&{`) || e.parent < 0 {
			continue
		}
		filter := p.drawing.elements[e.parent]
		if _, known := corners[e.parent]; !known {
			corners[e.parent] = p.corner(filter.tag, users[filter.tag.value("id")])
		}
		x, y, ok := region(e.tag, filter, corners[e.parent])
		if !ok || x == 0 && y == 0 && p.drawing.elements[j].kind != "use" {
			continue
		}
		text := fmt.Sprintf(`<{}g id="{id}"><{}use href="#%s" x="%g" y="%g"/></{}g>`, p.drawing.elements[j].tag.value("id"), x, y)
		if id := p.define("image", text); id != "" {
			p.set(i, "href", "#"+id)
		}
	}
}

// corner is the beginning of the region of a filter.
type corner struct {
	x, y  float64
	known bool // and the same for all elements with the filter
}

// region returns the beginning of the region of a primitive, or false if it is not certain.
func region(primitive tag, filter element, c corner) (x, y float64, ok bool) {
	if filter.kind != "filter" || filter.tag.value("href") != "" || strings.Trim(filter.tag.value("primitiveUnits"), space) == "objectBoundingBox" {
		return 0, 0, false
	}
	own := func(name string) bool { return primitive.value(name) != "" }
	x, okX := primitive.number("x", c.x)
	y, okY := primitive.number("y", c.y)
	return x, y, okX && okY && (c.known || own("x") && own("y"))
}

// corner returns the beginning of a filter's region for the elements that have the filter.
func (p *planner) corner(filter tag, users []int) (c corner) {
	if strings.Trim(filter.value("filterUnits"), space) == "userSpaceOnUse" {
		x, okX := filter.number("x", 0)
		y, okY := filter.number("y", 0)
		return corner{x, y, okX && okY && filter.value("x") != "" && filter.value("y") != ""}
	}
	atX, okX := fraction(filter.value("x"), -.1)
	atY, okY := fraction(filter.value("y"), -.1)
	for _, i := range users {
		box, known := p.bounds(i)
		own := corner{box.x + atX*box.width, box.y + atY*box.height, known && okX && okY}
		if !own.known || c.known && c != own {
			return corner{}
		}
		c = own
	}
	return c
}

// fraction returns a number or a percentage.
func fraction(value string, otherwise float64) (float64, bool) {
	value = strings.Trim(value, space)
	if value == "" {
		return otherwise, true
	}
	digits, percent := strings.CutSuffix(value, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if percent {
		v /= 100
	}
	return v, err == nil && math.Abs(v) <= math.MaxInt32
}

// rectangle is a bounding box.
type rectangle struct{ x, y, width, height float64 }

// bounds returns the bounding box of a simple element, or false.
func (p *planner) bounds(i int) (r rectangle, ok bool) {
	e := p.drawing.elements[i]
	var given []float64
	read := func(names ...string) bool {
		for _, name := range names {
			v, ok := e.tag.number(name, 0)
			if !ok {
				return false
			}
			given = append(given, v)
		}
		return e.whole && e.tag.value("style") == ""
	}
	switch e.kind {
	case "rect", "image":
		if ok = read("x", "y", "width", "height"); ok {
			r = rectangle{given[0], given[1], given[2], given[3]}
		}
	case "circle":
		if ok = read("cx", "cy", "r"); ok {
			r = rectangle{given[0] - given[2], given[1] - given[2], 2 * given[2], 2 * given[2]}
		}
	case "ellipse":
		if ok = read("cx", "cy", "rx", "ry"); ok {
			r = rectangle{given[0] - given[2], given[1] - given[3], 2 * given[2], 2 * given[3]}
		}
	case "polygon", "polyline":
		return p.hull(i)
	case "g":
		return p.union(e.kids)
	}
	return r, ok && r.width > 0 && r.height > 0
}

// hull returns the bounding box of an element's points, or false.
func (p *planner) hull(i int) (r rectangle, ok bool) {
	t := p.drawing.elements[i].tag
	all := numbers(t.value("points"))
	if len(all) < 4 || t.value("style") != "" {
		return r, false
	}
	left, right, top, bottom := all[0], all[0], all[1], all[1]
	for at := 2; at+1 < len(all); at += 2 {
		left, right = min(left, all[at]), max(right, all[at])
		top, bottom = min(top, all[at+1]), max(bottom, all[at+1])
	}
	r = rectangle{left, top, right - left, bottom - top}
	return r, r.width > 0 && r.height > 0
}

// union returns the bounding box of elements, or false.
func (p *planner) union(all []int) (r rectangle, ok bool) {
	for _, i := range all {
		if kind := p.drawing.elements[i].kind; kind == "title" || kind == "desc" {
			continue
		}
		b, known := p.bounds(i)
		if !known || p.drawing.elements[i].tag.property("transform") != "" {
			return r, false
		}
		if !ok {
			r, ok = b, true
			continue
		}
		right, bottom := max(r.x+r.width, b.x+b.width), max(r.y+r.height, b.y+b.height)
		r.x, r.y = min(r.x, b.x), min(r.y, b.y)
		r.width, r.height = right-r.x, bottom-r.y
	}
	return r, ok
}
