package svg

import (
	"strconv"
	"strings"
)

// makeSymbols makes symbols of the svg elements that only use elements draw. librsvg ignores the sides of such a use,
// and librsvg 2.60 places the svg element wrongly.
func (p *planner) makeSymbols() {
	users := map[int][]int{}
	for i, e := range p.drawing.elements {
		if e.kind == "use" && e.whole {
			if j, ok := p.drawing.target(i); ok && p.drawing.elements[j].kind == "svg" {
				users[j] = append(users[j], i)
			}
		}
	}
	for j, all := range users {
		if s := p.drawing.elements[j]; s.whole && !s.tag.empty() && p.drawing.inside(j, "defs") && s.tag.value("transform") == "" && p.placed(j, all) {
			e := p.plan.at(j)
			e.name, e.drop = "symbol", append(e.drop, "x", "y", "width", "height")
		}
	}
}

// placed plans uses of a svg element with its place and sides, or returns false if these are not in pixels.
func (p *planner) placed(j int, users []int) bool {
	s := p.drawing.elements[j]
	x, okX := s.tag.number("x", 0)
	y, okY := s.tag.number("y", 0)
	places := make([][2]float64, len(users))
	for n, i := range users {
		u, box := p.drawing.elements[i].tag, p.drawing.box(i)
		ownX, ok1 := coordinate(orZero(u.value("x")), box.width, "", "")
		ownY, ok2 := coordinate(orZero(u.value("y")), box.height, "", "")
		okX, okY = okX && ok1, okY && ok2
		places[n] = [2]float64{x + ownX, y + ownY}
	}
	if !okX || !okY {
		return false
	}
	for n, i := range users {
		p.set(i, "x", strconv.FormatFloat(places[n][0], 'g', -1, 64))
		p.set(i, "y", strconv.FormatFloat(places[n][1], 'g', -1, 64))
		for _, side := range []string{"width", "height"} {
			if given := s.tag.value(side); given != "" && p.drawing.elements[i].tag.value(side) == "" {
				p.set(i, side, given)
			}
		}
	}
	return true
}

func orZero(length string) string {
	if length = strings.Trim(length, space); length != "" {
		return length
	}
	return "0"
}

// clipUses clips uses of symbols to the viewport that the symbol begins (SVG 2, 8.7), as browsers do and librsvg does
// not.
func (p *planner) clipUses() {
	if p.styled { // a rule may let a symbol overflow
		return
	}
	for i, e := range p.drawing.elements {
		if e.kind != "use" || !e.whole {
			continue
		}
		j, ok := p.drawing.target(i)
		if !ok || !p.isSymbol(j) || p.property(i, "clip-path") != "" {
			continue
		}
		if overflow := p.drawing.elements[j].tag.property("overflow"); overflow == "visible" || overflow == "auto" {
			continue
		}
		rect := p.viewport(i)
		if rect == "" {
			continue
		}
		if id := p.define("clip", `<{}clipPath id="{id}"><{}rect `+rect+`/></{}clipPath>`); id != "" {
			p.set(i, "clip-path", "url(#"+id+")")
		}
	}
}

// isSymbol reports whether an element is a symbol, or will be.
func (p *planner) isSymbol(j int) bool {
	return p.drawing.elements[j].kind == "symbol" || p.plan[j] != nil && p.plan[j].name == "symbol"
}

// viewport returns the attributes of the rectangle that a use gives to a symbol, or "" if it is not certain.
func (p *planner) viewport(i int) (rect string) {
	box := p.drawing.box(i)
	for _, side := range []struct {
		name, otherwise string
		whole           float64
	}{{"x", "0", box.width}, {"y", "0", box.height}, {"width", "100%", box.width}, {"height", "100%", box.height}} {
		value := strings.Trim(p.value(i, side.name), space)
		if value == "" {
			value = side.otherwise
		}
		number, ok := coordinate(value, side.whole, "", "")
		if !ok {
			return ""
		}
		rect += side.name + `="` + strconv.FormatFloat(number, 'g', -1, 64) + `" `
	}
	return rect
}
