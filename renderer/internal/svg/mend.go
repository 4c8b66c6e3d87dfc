package svg

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	// maxShadows bounds the shadows that Mend writes out; each takes half a kilobyte.
	maxShadows = 1000
	// maxOctaves bounds the octaves of turbulence. Each octave counts half as much as the octave before,
	// so further octaves do not change a picture of 8 bits.
	maxOctaves = 10
)

// Mend copies the text of a drawing, and changes the parts that librsvg reads in another way than browsers:
//
//   - The media type of a picture in a data URI becomes the type that the picture's first bytes tell.
//   - feDropShadow becomes its equivalent primitives (Filter Effects, 9.10): librsvg 2.54 does not know
//     feDropShadow.
//   - An input of a filter primitive that no earlier primitive makes goes away: librsvg before 2.60 draws no element
//     with such a filter. So do the inputs that only librsvg knows, such as BackgroundImage.
//   - Characters of a text that have places of their own get elements of their own.
//   - A text moves to its baseline, if the library does not move it.
//   - A use of a symbol gets the clip of the symbol's viewport.
//   - Filter functions of colours become filters.
//   - An invalid value of an attribute goes away, and so does a gradient's or pattern's reference to no other.
//   - A transform includes the attribute transform-origin, which librsvg ignores.
//   - numOctaves of turbulence becomes at most maxOctaves, because librsvg spends time on each octave.
//
// Mend needs the facts that Survey returned for the same text. It returns errors of in and out.
func Mend(out io.Writer, in io.Reader, f Facts) error {
	m := mender{library: f.library, unlinked: f.unlinked, functions: f.functions, clips: f.clips}
	return scan(in, func(text string, k kind) error {
		_, err := io.WriteString(out, m.mend(text, k))
		return err
	})
}

// mender mends one drawing's text.
type mender struct {
	library       Library
	shadows, open int
	inputs        inputs
	view          view
	servers       int          // so far
	unlinked      map[int]bool // by their number
	functions     functions
	clips         clips
	places        *places // of the text that follows
	placed        int     // characters so far
	spaced        bool    // a tag said that spaces count
}

func (m *mender) mend(text string, k kind) string {
	if k == other {
		return m.mendText(text)
	}
	t := m.mendAny(readTag(text), k)
	m.places = nil
	if k == whole {
		m.spaced = m.spaced || t.preserves() || strings.Contains(t.value("style"), "white-space")
		if m.places = readPlaces(t); m.places != nil {
			m.places.doubtful = m.spaced // elements inherit it
		}
	}
	switch local(t.name) {
	case "image", "feImage":
		return mendPicture(t)
	case "feTurbulence":
		return mendTurbulence(t)
	case "svg":
		if m.view.depth == 1 && k == whole {
			return t.text + m.definitions(strings.TrimSuffix(t.name, "svg"))
		}
	case "feDropShadow":
		if k == whole && m.shadows < maxShadows {
			return m.writeShadow(t)
		}
	}
	return t.text
}

// mendAny mends the attributes that many elements have.
func (m *mender) mendAny(t tag, k kind) tag {
	if local(t.name) == "svg" {
		m.view.see(t)
	}
	if k != whole {
		return t
	}
	t = m.view.mendOrigin(mendValues(m.inputs.mend(t)))
	t = m.mendServer(m.functions.mend(t))
	return m.library.mendBaseline(m.clips.mend(t, m.view))
}

// definitions returns the elements that other elements of the mended text name, or "".
func (m *mender) definitions(prefix string) string {
	text := m.functions.definitions(prefix) + m.clips.definitions(prefix)
	if text == "" {
		return ""
	}
	return "<" + prefix + "defs>" + text + "</" + prefix + "defs>"
}

// mendServer returns a tag without a reference that librsvg does not forgive.
func (m *mender) mendServer(t tag) tag {
	if !isServer(t) {
		return t
	}
	m.servers++
	if a, ok := t.get("href"); ok && m.unlinked[m.servers-1] {
		return t.without(a)
	}
	return t
}

// signatures are the first base64 characters of pictures, with their media types.
var signatures = []struct{ begins, mediaType string }{
	{"/9j/", "image/jpeg"}, {"iVBORw0KGgo", "image/png"}, {"R0lGOD", "image/gif"}, {"UklGR", "image/webp"},
}

// mendPicture returns the tag's text. A picture in a data URI gets the media type that its bytes tell.
func mendPicture(t tag) string {
	for _, a := range t.attributes {
		head, data, ok := strings.Cut(t.text[a.from:a.to], ",")
		mediaType := strings.ToLower(strings.Trim(head, space))
		if a.name != "href" || !ok || !strings.HasPrefix(mediaType, "data:") || !strings.HasSuffix(mediaType, ";base64") {
			continue
		}
		data = strings.TrimLeft(data, space)
		for _, s := range signatures {
			right := "data:" + s.mediaType + ";base64"
			if strings.HasPrefix(data, s.begins) && mediaType != right {
				return t.with(a, right+","+data)
			}
		}
	}
	return t.text
}

func mendTurbulence(t tag) string {
	for _, a := range t.attributes {
		if a.name != "numOctaves" {
			continue
		}
		octaves, err := strconv.ParseFloat(strings.Trim(t.text[a.from:a.to], space), 64)
		if octaves > maxOctaves || err != nil && octaves > 0 {
			return t.with(a, strconv.Itoa(maxOctaves))
		}
	}
	return t.text
}

// common are the attributes of a shadow that all its primitives get.
var common = []string{"color-interpolation-filters", "style", "class"}

// writeShadow returns the primitives of a shadow. The first primitive gives the input a name, because the
// input can be the result of a primitive without a name.
func (m *mender) writeShadow(t tag) string {
	m.shadows++
	prefix := t.name[:strings.LastIndexByte(t.name, ':')+1]
	n := m.shadows
	shared := t.copied(common...)
	element := func(name, attributes string) string { return "<" + prefix + name + shared + attributes + "/>" }
	named := func(result string) string { return fmt.Sprintf(` result="thumbmill-%s%d"`, result, n) }
	from := func(attribute, result string) string {
		return fmt.Sprintf(` %s="thumbmill-%s%d"`, attribute, result, n)
	}
	blur := t.copied("stdDeviation")
	if blur == "" {
		blur = ` stdDeviation="2"`
	}
	offset := t.copied("dx", "dy")
	for _, side := range []string{"dx", "dy"} {
		if t.value(side) == "" {
			offset += " " + side + `="2"`
		}
	}
	text := element("feOffset", t.copied("in")+` dx="0" dy="0"`+named("in")) +
		element("feGaussianBlur", from("in", "in")+blur) +
		element("feOffset", offset+named("blur")) +
		element("feFlood", t.copied("flood-color", "flood-opacity")+named("flood")) +
		element("feComposite", from("in", "flood")+from("in2", "blur")+` operator="in"`+named("shadow")) +
		"<" + prefix + "feMerge" + shared + t.copied("x", "y", "width", "height", "result") + ">" +
		"<" + prefix + "feMergeNode" + from("in", "shadow") + "/><" + prefix + "feMergeNode" + from("in", "in") + "/>"
	if strings.HasSuffix(t.text, "/>") {
		return text + "</" + prefix + "feMerge>"
	}
	m.open++
	return text
}

// copied returns the text of these attributes, as the tag has them. It leaves out attributes that the tag
// does not have.
func (t tag) copied(names ...string) (text string) {
	for _, name := range names {
		for _, a := range t.attributes {
			if quote := t.text[a.from-1 : a.from]; a.name == name && a.to < len(t.text) {
				text += " " + name + "=" + quote + t.text[a.from:a.to] + quote
				break
			}
		}
	}
	return text
}

// mendText mends an end tag, or a text between tags.
func (m *mender) mendText(text string) string {
	p := m.places
	m.places = nil
	if p == nil || strings.HasPrefix(text, "<") || m.placed > maxPlaced {
		return m.mendEnd(text)
	}
	text, n := p.place(text)
	m.placed += n
	return text
}

// mendEnd replaces the end tag of a shadow that writeShadow began, and returns all other text as it is.
func (m *mender) mendEnd(text string) string {
	if m.open == 0 || !strings.HasPrefix(text, "</") || !strings.HasSuffix(text, ">") {
		return text
	}
	name := strings.Trim(text[2:len(text)-1], space)
	if local(name) != "feDropShadow" {
		return text
	}
	m.open--
	return "</" + strings.TrimSuffix(name, "feDropShadow") + "feMerge>"
}
