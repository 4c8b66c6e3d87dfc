package svg

import (
	"slices"
	"strings"
)

// maxClips bounds the clips that makeMasks compares.
const maxClips = 2000

// makeMasks makes masks of clips that librsvg draws as a single path: clips of clips, and clips of several shapes with
// clip-rule evenodd. A clip with a use keeps its kind, because a mask would draw the paint of the used element.
func (p *planner) makeMasks() {
	if p.styled {
		return
	}
	users := p.usersOf("clipPath", "clip-path")
	if len(users) > maxClips {
		return
	}
	chosen := map[int]bool{}
	for i := range users {
		chosen[i] = p.isOddClip(i)
	}
	for changed := true; changed; {
		changed = false
		for i, all := range users {
			if chosen[i] && !p.maskable(i, all, chosen) {
				chosen[i], changed = false, true
			}
		}
	}
	for i, is := range chosen {
		if is {
			p.makeMask(i, users[i], chosen)
		}
	}
}

// clipOf returns the clip of an element.
func (p *planner) clipOf(i int) (int, bool) {
	j, ok := p.drawing.byID[referred(p.property(i, "clip-path"))]
	return j, ok && p.drawing.elements[j].kind == "clipPath"
}

// isOddClip reports whether librsvg draws a clip wrongly.
func (p *planner) isOddClip(i int) bool {
	if _, ok := p.clipOf(i); ok {
		return true
	}
	shapes, evenOdd := 0, false
	for _, k := range p.drawing.elements[i].kids {
		if _, ok := p.clipOf(k); ok {
			return true
		}
		if shapeKinds[p.drawing.elements[k].kind] {
			shapes++
			evenOdd = evenOdd || p.drawing.inherited(k, "clip-rule") == "evenodd"
		}
	}
	return shapes > 1 && evenOdd
}

// shapeKinds are the elements that clip, beside use.
var shapeKinds = map[string]bool{"path": true, "rect": true, "circle": true, "ellipse": true, "polygon": true, "polyline": true, "text": true}

// maskable reports whether a mask has the same effect as a clip on its users.
func (p *planner) maskable(i int, users []int, chosen map[int]bool) bool {
	clip := p.drawing.elements[i]
	if !clip.whole || clip.tag.empty() || p.value(i, "transform") != "" && p.inBox(i, "clipPathUnits", false) {
		return false
	}
	if slices.ContainsFunc(clip.kids, func(k int) bool { return p.drawing.elements[k].kind == "use" || !p.drawing.elements[k].whole }) {
		return false
	}
	return !slices.ContainsFunc(users, func(u int) bool {
		isClip := p.drawing.elements[u].kind == "clipPath"
		return !p.drawing.elements[u].whole || p.value(u, "clip-path") == "" || p.property(u, "mask") != "" || isClip && !chosen[u] ||
			p.drawing.inside(u, "clipPath") && !chosen[p.drawing.elements[u].parent]
	})
}

// painted are the attributes that have no effect in a clip.
var painted = []string{
	"clip-rule", "fill", "fill-opacity", "filter", "marker", "marker-end", "marker-mid", "marker-start", "mask", "opacity",
	"stroke", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "stroke-opacity", "stroke-width",
}

// makeMask plans a mask in the place of a clip, with an opaque group of its shapes.
func (p *planner) makeMask(i int, users []int, chosen map[int]bool) {
	clip, e := p.drawing.elements[i], p.plan.at(i)
	group := p.planned(i).copied("transform") + ` fill="#fff" fill-opacity="1" stroke="none"`
	if j, ok := p.clipOf(i); ok {
		group += " " + clipping(chosen[j]) + `="url(#` + p.drawing.elements[j].tag.value("id") + `)"`
	}
	content := p.value(i, "clipPathUnits")
	e.name, e.drop = "mask", append(e.drop, "transform", "clip-path", "clipPathUnits", "mask", "opacity", "filter")
	e.set = append(e.set, [2]string{"mask-type", "alpha"}, [2]string{"maskUnits", "userSpaceOnUse"},
		[2]string{"x", "-50000"}, [2]string{"y", "-50000"}, [2]string{"width", "100000"}, [2]string{"height", "100000"})
	if content != "" {
		e.set = append(e.set, [2]string{"maskContentUnits", content})
	}
	e.first, e.last = "<"+clip.tag.prefix()+"g"+group+">", "</"+clip.tag.prefix()+"g>"
	for _, k := range clip.kids {
		p.makeOpaque(k)
	}
	for _, u := range users {
		if p.drawing.elements[u].kind != "clipPath" {
			p.set(u, "mask", p.value(u, "clip-path"))
			p.drop(u, "clip-path")
		}
	}
}

// clipping returns the attribute that names a clip, or the mask in its place.
func clipping(isMask bool) string {
	if isMask {
		return "mask"
	}
	return "clip-path"
}

// makeOpaque plans a shape of a clip without paint of its own. Elements that do not clip are hidden.
func (p *planner) makeOpaque(k int) {
	if !shapeKinds[p.drawing.elements[k].kind] {
		p.set(k, "display", "none")
		return
	}
	rule := p.drawing.inherited(k, "clip-rule")
	for _, name := range painted {
		p.drop(k, name)
	}
	if style := p.drawing.elements[k].tag.value("style"); style != "" {
		p.set(k, "style", unpainted(style))
	}
	if rule != "" {
		p.set(k, "fill-rule", rule)
	}
}

// unpainted returns a style without the properties that have no effect in a clip.
func unpainted(style string) string {
	kept := slices.DeleteFunc(strings.Split(style, ";"), func(d string) bool {
		name, _, _ := strings.Cut(d, ":")
		name = strings.Trim(name, space)
		return name == "fill-rule" || slices.Contains(painted, name)
	})
	return strings.Join(kept, ";")
}
