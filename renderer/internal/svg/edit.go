package svg

import "strings"

// edit is a change of an element. The zero value changes nothing.
type edit struct {
	drop          []string    // attributes
	set           [][2]string // attributes: names and values without quotes
	name          string      // the new name of the element, without a prefix
	before, after string      // texts around the element
	first, last   string      // texts before and after the element's content
}

// apply returns a start tag with the edit's attributes and its name.
func (e *edit) apply(t tag) tag {
	for _, name := range e.drop {
		for a, ok := t.get(name); ok; a, ok = t.get(name) {
			t = t.without(a)
		}
	}
	for _, s := range e.set {
		t = t.set(s[0], s[1])
	}
	if e.name != "" {
		t = readTag("<" + t.prefix() + e.name + t.text[1+len(t.name):])
	}
	return t
}

// write returns the text from before the element to the beginning of its content, and the ending that its end tag
// gets. An element without content has no ending.
func (e *edit) write(t tag) (string, ending) {
	last := ending{last: e.last, after: e.after}
	if e.name != "" {
		last.name = t.name
	}
	if !t.empty() {
		return e.before + t.text + e.first, last
	}
	if e.first+e.last == "" {
		return e.before + t.text + e.after, ending{}
	}
	return e.before + strings.TrimSuffix(t.text, "/>") + ">" + e.first + e.last + "</" + t.name + ">" + e.after, ending{}
}

// ending is a change of an end tag.
type ending struct {
	name        string // the new name, or ""
	last, after string // texts before and after the end tag
}

// write returns an end tag with its ending.
func (e ending) write(text string) string {
	if e.name != "" && strings.HasPrefix(text, "</") {
		text = "</" + e.name + ">"
	}
	return e.last + text + e.after
}
