package svg

import (
	"math"
	"strconv"
	"strings"
)

// tag is a start tag, or the beginning of a long start tag.
type tag struct {
	text       string
	name       string // with its prefix
	attributes []attribute
}

// attribute is an attribute of a tag; its value is text[from:to].
type attribute struct {
	name            string // without a prefix
	begin, from, to int
}

const space = " \t\r\n"

// local returns a name without its prefix.
func local(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

// readTag reads a tag from a text that begins with "<". An attribute without its closing quote goes to the
// end of the text; the last attribute of a tag's beginning has no closing quote.
func readTag(text string) tag {
	t := tag{text: text}
	at := 1 + strings.IndexAny(text[1:]+">", space+"/>")
	t.name = text[1:at]
	for {
		equals := strings.IndexByte(text[at:], '=')
		if equals < 0 {
			return t
		}
		before := strings.TrimRight(text[at:at+equals], space)
		nameAt := strings.LastIndexAny(before, space+"/") + 1
		name, begin := local(before[nameAt:]), at+nameAt
		at += equals + 1
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], space))
		if at >= len(text) || text[at] != '"' && text[at] != '\'' {
			return t
		}
		length := strings.IndexByte(text[at+1:], text[at])
		if length < 0 {
			length = len(text) - at - 1
		}
		t.attributes = append(t.attributes, attribute{name, begin, at + 1, at + 1 + length})
		at = min(at+length+2, len(text))
	}
}

// value returns the value of an attribute, or "" if the tag does not have the attribute.
func (t tag) value(name string) string {
	for _, a := range t.attributes {
		if a.name == name {
			return t.text[a.from:a.to]
		}
	}
	return ""
}

// get returns an attribute, or false if the tag does not have the attribute with its closing quote.
func (t tag) get(name string) (attribute, bool) {
	for _, a := range t.attributes {
		if a.name == name {
			return a, a.to < len(t.text)
		}
	}
	return attribute{}, false
}

// without returns the tag without an attribute that get returned.
func (t tag) without(a attribute) tag { return readTag(t.text[:a.begin] + t.text[a.to+1:]) }

// set returns the tag with an attribute of this value, which has no quotes.
func (t tag) set(name, value string) tag {
	if a, ok := t.get(name); ok {
		return readTag(t.with(a, value))
	}
	return t.and(" " + name + `="` + value + `"`)
}

// and returns the tag with further attributes.
func (t tag) and(attributes string) tag {
	at := 1 + len(t.name)
	return readTag(t.text[:at] + attributes + t.text[at:])
}

// prefix returns the prefix of the tag's name, with its colon.
func (t tag) prefix() string { return strings.TrimSuffix(t.name, local(t.name)) }

// empty reports whether the element has no content and no end tag.
func (t tag) empty() bool { return strings.HasSuffix(t.text, "/>") }

// property returns the value of a property in the tag's style or attributes, or "".
func (t tag) property(name string) string {
	for d := range strings.SplitSeq(t.value("style"), ";") {
		property, value, _ := strings.Cut(d, ":")
		if strings.Trim(property, space) == name {
			return strings.Trim(strings.TrimSuffix(strings.Trim(value, space), "!important"), space)
		}
	}
	return strings.Trim(t.value(name), space)
}

// number returns an attribute's value in pixels: a number with or without px, or otherwise if the tag has no such
// attribute. It returns false for other units.
func (t tag) number(name string, otherwise float64) (float64, bool) {
	value := strings.Trim(t.value(name), space)
	if value == "" {
		return otherwise, true
	}
	return pixels(value)
}

// pixels returns a length without a unit or in px, or false for other texts.
func pixels(value string) (float64, bool) {
	v, err := strconv.ParseFloat(strings.TrimSuffix(value, "px"), 64)
	return v, err == nil && math.Abs(v) <= math.MaxInt32
}

// with returns the tag's text with another value of an attribute.
func (t tag) with(a attribute, value string) string { return t.text[:a.from] + value + t.text[a.to:] }
