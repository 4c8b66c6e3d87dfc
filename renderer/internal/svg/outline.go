package svg

import (
	"regexp"
	"strings"
)

const (
	// maxOutlined bounds the start tags of an outline in bytes, together.
	maxOutlined = 8 << 20
	// maxElements bounds the elements of an outline. An element takes 130 bytes, and 40 for each attribute.
	maxElements = 200_000
)

// outline has the start tags of a drawing, in the order of the text.
type outline struct {
	elements []element
	byID     map[string]int // the first element with an id
	open     []int          // elements whose end tag has not come yet
	size     int
	last     byte
	full     bool // there are further elements
}

// element is an element of a drawing.
type element struct {
	tag    tag
	kind   string // its name without a prefix
	whole  bool   // the whole start tag is known
	parent int    // -1 for the root
	kids   []int
}

// see notes a part of the text.
func (o *outline) see(text string, k kind) {
	switch k {
	case whole, start:
		o.begin(readTag(text), k == whole)
	case tail:
		if text == ">" && o.last == '/' || strings.HasSuffix(text, "/>") {
			o.end()
		}
	case end:
		o.end()
	}
	o.last = text[len(text)-1]
}

func (o *outline) begin(t tag, whole bool) {
	if o.size += len(t.text); o.full || o.size > maxOutlined || len(o.elements) == maxElements {
		o.full = true
		return
	}
	i := len(o.elements)
	e := element{tag: t, kind: local(t.name), whole: whole, parent: -1}
	if len(o.open) > 0 {
		e.parent = o.open[len(o.open)-1]
		o.elements[e.parent].kids = append(o.elements[e.parent].kids, i)
	}
	o.elements = append(o.elements, e)
	if id := t.value("id"); id != "" {
		if o.byID == nil {
			o.byID = map[string]int{}
		}
		if _, known := o.byID[id]; !known {
			o.byID[id] = i
		}
	}
	if !whole || !t.empty() {
		o.open = append(o.open, i)
	}
}

func (o *outline) end() {
	if len(o.open) > 0 {
		o.open = o.open[:len(o.open)-1]
	}
}

// target returns the element that an element's href names, or false if the drawing has no such element.
func (o *outline) target(i int) (int, bool) {
	id, inside := strings.CutPrefix(strings.Trim(o.elements[i].tag.value("href"), space), "#")
	j, ok := o.byID[id]
	return j, inside && ok
}

// reference matches a value such as url(#a).
var reference = regexp.MustCompile(`^\s*url\(\s*["']?#([^"')\s]+)["']?\s*\)\s*$`)

// referred returns the id that a value such as url(#a) names, or "".
func referred(value string) string {
	if m := reference.FindStringSubmatch(value); m != nil {
		return m[1]
	}
	return ""
}

// inside reports whether an element is inside of an element of a kind.
func (o *outline) inside(i int, kind string) bool {
	for i = o.elements[i].parent; i >= 0; i = o.elements[i].parent {
		if o.elements[i].kind == kind {
			return true
		}
	}
	return false
}

// box returns the reference box of an element: the root's, or a zero box inside of another svg element.
func (o *outline) box(i int) view {
	for i = o.elements[i].parent; i > 0; i = o.elements[i].parent {
		if o.elements[i].kind == "svg" {
			return view{}
		}
	}
	return viewOf(o.elements[0].tag)
}

// inherited returns the value of a property that elements inherit.
func (o *outline) inherited(i int, name string) string {
	for ; i >= 0; i = o.elements[i].parent {
		if v := o.elements[i].tag.property(name); v != "" && v != "inherit" {
			return v
		}
	}
	return ""
}
