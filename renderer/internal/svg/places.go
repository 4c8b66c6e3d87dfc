package svg

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPlaced bounds the characters of a drawing that get places of their own, because librsvg lays out each by itself.
const maxPlaced = 5000

// placing are the attributes with lists of places: a value for each character (SVG 2, 11.5). librsvg reads the first.
var placing = [4]string{"x", "y", "dx", "dy"}

// places has the places of the characters of a text that begins.
type places struct {
	lists     [4][]string // by placing
	prefix    string
	part      bool // of a text: a space at its beginning may count
	preserved bool // spaces count
	doubtful  bool // whether spaces count is unknown
}

// readPlaces returns the places of a tag's characters, or nil if the tag places one character at most.
func readPlaces(t tag) *places {
	name := local(t.name)
	if name != "text" && name != "tspan" || strings.HasSuffix(t.text, "/>") {
		return nil
	}
	p := places{prefix: strings.TrimSuffix(t.name, name), part: name == "tspan", preserved: t.preserves()}
	most := 0
	for i, name := range placing {
		if a, ok := t.get(name); ok {
			p.lists[i] = strings.FieldsFunc(t.text[a.from:a.to], func(c rune) bool { return c == ',' || strings.ContainsRune(space, c) })
			most = max(most, len(p.lists[i]))
		}
	}
	if most < 2 || most > maxPlaced {
		return nil
	}
	return &p
}

// preserves reports whether a tag says that spaces count.
func (t tag) preserves() bool { return t.value("space") == "preserve" }

// place returns a text with an element for each character that has a place, and the number of these characters. It
// returns the text as it is if the places of its characters are not certain.
func (p *places) place(text string) (placed string, n int) {
	characters := p.characters(text)
	if characters == nil {
		return text, 0
	}
	var out strings.Builder
	out.WriteString(characters[0])
	for i, c := range characters[1:] {
		attributes := p.at(i + 1)
		if attributes == "" {
			out.WriteString(c)
			continue
		}
		n++
		out.WriteString("<" + p.prefix + "tspan" + attributes + ">" + c + "</" + p.prefix + "tspan>")
	}
	if last := len(text) - 1; !p.preserved && strings.ContainsRune(space, rune(text[last])) {
		out.WriteString(" ") // it counts if more of the text follows
	}
	return out.String(), n
}

// at returns the attributes that place a character, or "".
func (p *places) at(i int) (attributes string) {
	for k, list := range p.lists {
		if i < len(list) && !strings.ContainsAny(list[i], `"<&`) {
			attributes += " " + placing[k] + `="` + list[i] + `"`
		}
	}
	return attributes
}

// characters returns the characters that count, or nil if some of them join, combine, or run from right to left, or if
// it is unknown whether a space counts.
func (p *places) characters(text string) (all []string) {
	trimmed := strings.Trim(text, space)
	switch {
	case p.preserved:
	case p.doubtful && strings.Join(strings.Fields(text), " ") != text, p.part && !strings.HasPrefix(text, trimmed):
		return nil
	default:
		text = trimmed
	}
	for spaced := false; text != ""; {
		c, size := utf8.DecodeRuneInString(text)
		if c == '&' {
			if size = 1 + strings.IndexByte(text, ';'); size < 4 || size > 10 || !entity(text[1:size-1]) {
				return nil
			}
		} else if !separate(c) {
			return nil
		}
		blank := strings.ContainsRune(space, c)
		if !blank || !spaced || p.preserved {
			all = append(all, text[:size])
		}
		spaced = blank
		text = text[size:]
	}
	return all
}

// entity reports whether a reference without "&" and ";" stands for one character that is separate.
func entity(name string) bool {
	switch name {
	case "amp", "lt", "gt", "quot", "apos", "#160", "#xA0":
		return true
	}
	return false
}

// separate reports whether a character has a place of its own in every text.
func separate(c rune) bool {
	return c != utf8.RuneError && c < 0x10000 && unicode.In(c, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Common) && !unicode.Is(unicode.Cf, c)
}
