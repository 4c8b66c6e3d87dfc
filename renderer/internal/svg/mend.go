package svg

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	// maxShadows bounds how many shadows are written out; each takes half a kilobyte.
	maxShadows = 1000
	// maxOctaves of turbulence add to a picture of 8 bits: each counts half as much as the one
	// before it.
	maxOctaves = 10
)

// Mend copies the text of a drawing, and writes otherwise what librsvg does not read as
// browsers do:
//
//   - the media type of a picture in a data URI is the one that its first bytes tell, where
//     they do;
//   - feDropShadow, which librsvg 2.54 does not know, is the primitives that it stands for
//     (Filter Effects, 9.10);
//   - numOctaves of turbulence is at most maxOctaves, since librsvg takes the time of all.
//
// Errors are in's and out's.
func Mend(out io.Writer, in io.Reader) error {
	var m mender
	return scan(in, func(text string, k kind) error {
		_, err := io.WriteString(out, m.mend(text, k))
		return err
	})
}

// mender mends one drawing's text.
type mender struct{ shadows, open int }

func (m *mender) mend(text string, k kind) string {
	if k == other {
		return m.mendEnd(text)
	}
	t := readTag(text)
	switch local(t.name) {
	case "image", "feImage":
		return mendPicture(t)
	case "feTurbulence":
		return mendTurbulence(t)
	case "feDropShadow":
		if k == whole && m.shadows < maxShadows {
			return m.writeShadow(t)
		}
	}
	return text
}

// signatures are the first characters of pictures in base64, and their media types.
var signatures = []struct{ begins, mediaType string }{
	{"/9j/", "image/jpeg"}, {"iVBORw0KGgo", "image/png"}, {"R0lGOD", "image/gif"},
}

// mendPicture makes the media type of a data URI that of its bytes.
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

// common are the attributes of a shadow that hold for each primitive that it stands for.
var common = []string{"color-interpolation-filters", "style", "class"}

// writeShadow writes the primitives that a shadow stands for. The first gives its input a
// name, which may be the result before it, and have none.
func (m *mender) writeShadow(t tag) string {
	m.shadows++
	prefix := t.name[:strings.LastIndexByte(t.name, ':')+1]
	n := m.shadows
	shared := t.copied(common...)
	element := func(name, attributes string) string { return "<" + prefix + name + shared + attributes + "/>" }
	named := func(what string) string { return fmt.Sprintf(` result="thumbmill-%s%d"`, what, n) }
	from := func(attribute, what string) string { return fmt.Sprintf(` %s="thumbmill-%s%d"`, attribute, what, n) }
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

// copied writes those of the attributes that the tag has, as it has them.
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

// mendEnd ends what writeShadow began.
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
