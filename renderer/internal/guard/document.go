package guard

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// svgHead bounds the search for an SVG's root element, in bytes.
const svgHead = 256 << 10

// readXCF reads the size of the canvas of an XCF, GIMP's format.
func readXCF(r *io.SectionReader) (Header, error) {
	var b [26]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return Header{}, err
	}
	return Header{
		Type: thumbnail.TypeXCF, Whole: true, Alpha: true,
		Width: side(binary.BigEndian.Uint32(b[14:])), Height: side(binary.BigEndian.Uint32(b[18:])),
	}, nil
}

// readLatePDF finds a PDF behind other bytes, at most 1024; PDF readers allow them.
func readLatePDF(r *io.SectionReader) (Header, bool) {
	return Header{Type: thumbnail.TypePDF}, bytes.Contains(head(r, 1024), []byte("%PDF-"))
}

func head(r *io.SectionReader, n int64) []byte {
	b := make([]byte, min(n, r.Size()))
	got, _ := r.ReadAt(b, 0)
	return b[:got]
}

func readSVG(r *io.SectionReader) (Header, bool) { return svgHeader(head(r, svgHead)) }

// readSVGZ expands the first svgHead bytes of a compressed SVG, and reads its root element.
func readSVGZ(r *io.SectionReader) (Header, bool) {
	if !hasAt(head(r, 2), "\x1f\x8b") {
		return Header{}, false
	}
	expanded, err := gzip.NewReader(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		return Header{}, false
	}
	text, _ := io.ReadAll(io.LimitReader(expanded, svgHead)) // the head of a truncated file can suffice
	return svgHeader(text)
}

// svgHeader finds the root element and its size. It expands no entities and reads no external
// resources.
func svgHeader(text []byte) (Header, bool) {
	h := Header{Type: thumbnail.TypeSVG, Alpha: true}
	d := xml.NewDecoder(bytes.NewReader(utf8Of(text)))
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	for {
		token, err := d.RawToken()
		if err != nil {
			return h, false
		}
		if root, ok := token.(xml.StartElement); ok {
			h.Exact, h.Shown = svgSize(root), wikiSize(root)
			if h.Exact[0] > 0 {
				h.Width, h.Height = max(1, int(math.Round(h.Exact[0]))), max(1, int(math.Round(h.Exact[1])))
			}
			return h, root.Name.Local == "svg"
		}
	}
}

// utf8Of converts UTF-16 to UTF-8, and removes the byte order mark. A mark, or a zero byte
// next to the first "<", means UTF-16.
func utf8Of(b []byte) []byte {
	var order binary.ByteOrder
	switch {
	case hasAt(b, "\xff\xfe") || hasAt(b, "<\x00"):
		order = binary.LittleEndian
	case hasAt(b, "\xfe\xff") || hasAt(b, "\x00<"):
		order = binary.BigEndian
	default:
		return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return []byte(strings.TrimPrefix(string(utf16.Decode(units)), "\ufeff"))
}

// svgSize returns the natural width and height in pixels, or zeros when only a program that
// knows CSS can tell. The viewBox tells a side that is missing or relative.
func svgSize(root xml.StartElement) [2]float64 {
	attributes := map[string]string{}
	for _, a := range root.Attr {
		if a.Name.Space == "" {
			attributes[a.Name.Local] = a.Value
		}
	}
	if styled(attributes) {
		return [2]float64{}
	}
	w, errW := cssPixels(attributes["width"])
	h, errH := cssPixels(attributes["height"])
	box := strings.FieldsFunc(attributes["viewBox"], func(c rune) bool { return c == ',' || c <= ' ' })
	if (errW != nil || errH != nil) && len(box) == 4 {
		boxW, err1 := strconv.ParseFloat(box[2], 64)
		boxH, err2 := strconv.ParseFloat(box[3], 64)
		if err1 != nil || err2 != nil || !(boxW > 0) || !(boxH > 0) {
			return [2]float64{}
		}
		switch {
		case errW == nil:
			h = w * boxH / boxW
		case errH == nil:
			w = h * boxW / boxH
		default:
			w, h = boxW, boxH
		}
		errW, errH = nil, nil
	}
	if errW != nil || errH != nil || !(w > 0) || !(h > 0) || w > math.MaxInt32 || h > math.MaxInt32 {
		return [2]float64{}
	}
	return [2]float64{w, h}
}

// styled reports whether the size depends on fonts, on CSS rules, or on an entity.
func styled(attributes map[string]string) bool {
	size := attributes["width"] + " " + attributes["height"] + " "
	style := attributes["style"]
	return strings.Contains(size, "em ") || strings.Contains(size, "ex ") || strings.Contains(size, "&") || strings.Contains(size, "(") ||
		strings.Contains(style, "width") || strings.Contains(style, "height")
}

// cssUnits are the units of CSS in pixels; an inch has 96 pixels.
var cssUnits = []struct {
	suffix string
	pixels float64
}{{"px", 1}, {"pt", 96.0 / 72}, {"pc", 16}, {"mm", 96 / 25.4}, {"cm", 96 / 2.54}, {"in", 96}, {"", 1}}

var errRelative = errors.New("the length is relative or not a number")

func cssPixels(length string) (float64, error) {
	length = strings.TrimSpace(length)
	for _, u := range cssUnits {
		number, ok := strings.CutSuffix(length, u.suffix)
		if !ok {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
			return 0, errRelative
		}
		return value * u.pixels, nil
	}
	return 0, errRelative
}
