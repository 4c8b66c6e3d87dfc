package svg

import "strings"

// cutServers drops the references of gradients and patterns that lead nowhere or in a circle. librsvg paints nothing
// with such a gradient or pattern; browsers ignore the reference.
func (p *planner) cutServers() {
	walks := map[int]int{} // the walk that reached each server
	for first, e := range p.drawing.elements {
		if !isServer(e.kind) {
			continue
		}
		for i := first; walks[i] == 0; {
			walks[i] = first + 1
			if _, refers := p.drawing.elements[i].tag.get("href"); !refers || strings.Contains(p.drawing.elements[i].tag.value("href"), "&") {
				break
			}
			j, ok := p.drawing.target(i)
			if !ok || !p.drawing.elements[j].whole || isPattern(p.drawing.elements[j].kind) != isPattern(p.drawing.elements[i].kind) || !isServer(p.drawing.elements[j].kind) {
				p.drop(i, "href")
				break
			}
			if walks[j] == first+1 {
				p.drop(p.last(i, j), "href")
				break
			}
			i = j
		}
	}
}

func isServer(kind string) bool { return strings.HasSuffix(kind, "Gradient") || isPattern(kind) }

func isPattern(kind string) bool { return kind == "pattern" }

// last returns the server whose reference ends a circle from j to i: one with content of its own, because it needs
// none of another.
func (p *planner) last(i, j int) int {
	for at := j; at != i; at, _ = p.drawing.target(at) {
		if len(p.drawing.elements[at].kids) > 0 {
			return at
		}
	}
	return i
}

// maxReferences bounds the references that cutCircles follows.
const maxReferences = 50000

// link is a reference from an element to another.
type link struct {
	from      int
	attribute string
	to        int
}

// cutCircles drops references by use, clip-path and mask that lead back to an element around them. Browsers ignore
// them; librsvg ignores the element, or the whole circle.
func (p *planner) cutCircles() {
	links := p.links()
	if len(links) > maxReferences {
		return
	}
	targets := map[int]bool{}
	for _, l := range links {
		targets[l.to] = true
	}
	from := map[int][]link{} // by the targets around them
	for _, l := range links {
		for i := l.from; i >= 0; i = p.drawing.elements[i].parent {
			if targets[i] {
				from[i] = append(from[i], l)
			}
		}
	}
	const open, done = 1, 2
	state := map[int]int{}
	var follow func(i int)
	follow = func(i int) {
		state[i] = open
		for _, l := range from[i] {
			switch state[l.to] {
			case open:
				p.drop(l.from, l.attribute)
			case 0:
				follow(l.to)
			}
		}
		state[i] = done
	}
	for i := range p.drawing.elements {
		if targets[i] && state[i] == 0 {
			follow(i)
		}
	}
}

// links returns the references that cutCircles follows.
func (p *planner) links() (all []link) {
	for i, e := range p.drawing.elements {
		if !e.whole {
			continue
		}
		if e.kind == "use" {
			if j, ok := p.drawing.target(i); ok {
				all = append(all, link{i, "href", j})
			}
		}
		for _, name := range []string{"clip-path", "mask"} {
			if j, ok := p.drawing.byID[referred(e.tag.value(name))]; ok && strings.EqualFold(p.drawing.elements[j].kind, strings.ReplaceAll(name, "-", "")) {
				all = append(all, link{i, name, j})
			}
		}
	}
	return all
}
