package guard

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const maxPixels = 1_000_000

func inspect(body []byte, promised thumbnail.Type) (Header, error) {
	return Inspect(bytes.NewReader(body), int64(len(body)), promised, maxPixels)
}

func encoded(t testing.TB) map[thumbnail.Type][]byte {
	t.Helper()
	all := map[thumbnail.Type][]byte{}
	add := func(kind thumbnail.Type, body []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all[kind] = body
	}
	picture := samples.Landscape(120, 70)
	body, err := samples.JPEG(picture)
	add(thumbnail.TypeJPEG, body, err)
	body, err = samples.PNG(picture)
	add(thumbnail.TypePNG, body, err)
	body, err = samples.WebP(picture)
	add(thumbnail.TypeWebP, body, err)
	body, err = samples.TIFF(picture)
	add(thumbnail.TypeTIFF, body, err)
	body, err = samples.GIF(70, 3)
	add(thumbnail.TypeGIF, body, err)
	return all
}

func TestHeaders(t *testing.T) {
	for kind, body := range encoded(t) {
		want := Header{Type: kind, Width: 120, Height: 70, Pages: 1, Frames: 1, Orientation: 1}
		switch kind {
		case thumbnail.TypeGIF:
			want.Width, want.Frames, want.Indexed, want.Whole = 70, 3, true, true
		case thumbnail.TypeWebP:
			want.Whole = true
		case thumbnail.TypeTIFF:
			want.Alpha, want.Colours, want.AlphaBand = true, 3, 3
		}
		for _, promised := range []thumbnail.Type{kind, thumbnail.TypeUnknown, thumbnail.TypePNG} { // the bytes decide, not the name
			if got, err := inspect(body, promised); err != nil || got != want {
				t.Errorf("%s: %+v, %v", kind, got, err)
			}
		}
	}
}

// jpegOf returns the beginning of a JPEG with this frame marker.
func jpegOf(marker byte, width, height uint16) []byte {
	b := []byte{0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff, marker, 0, 17, 8}
	b = binary.BigEndian.AppendUint16(b, height)
	return append(binary.BigEndian.AppendUint16(b, width), 3, 1, 0x22, 0)
}

// pngOf returns the beginning of a PNG that declares this size.
func pngOf(width, height uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	return append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, width), height), 8, 2, 0, 0, 0)
}

// tiffOf returns a TIFF with a directory for each width; each page is 10 pixels high.
func tiffOf(order binary.AppendByteOrder, mark string, next func(page int) uint32, widths ...uint16) []byte {
	b := order.AppendUint32(order.AppendUint16([]byte(mark), 42), 8)
	for page, width := range widths {
		b = order.AppendUint16(b, 2)
		for _, field := range [][2]uint16{{tagWidth, width}, {tagHeight, 10}} {
			b = order.AppendUint16(order.AppendUint16(b, field[0]), 3)
			b = order.AppendUint16(order.AppendUint16(order.AppendUint32(b, 1), field[1]), 0)
		}
		b = order.AppendUint32(b, next(page))
	}
	return b
}

func TestTIFFPages(t *testing.T) {
	inLine := func(page int) uint32 {
		if page == 2 {
			return 0
		}
		return uint32(8 + 30*(page+1))
	}
	for name, body := range map[string][]byte{
		"little endian": tiffOf(binary.LittleEndian, "II", inLine, 5, 9, 7),
		"big endian":    tiffOf(binary.BigEndian, "MM", inLine, 5, 9, 7),
		"a circle":      tiffOf(binary.LittleEndian, "II", func(page int) uint32 { return uint32(8 + 30*((page+1)%3)) }, 5, 9, 7),
		"truncated":     append(tiffOf(binary.LittleEndian, "II", func(page int) uint32 { return uint32(8 + 30*(page+1)) }, 5, 9, 7), 1),
	} {
		h, err := inspect(body, thumbnail.TypeTIFF)
		if err != nil || h.Pages != 3 || h.Width != 9 || h.Height != 10 {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}

// A TIFF that does not say what its samples mean, and planes in tiles whose width is a LONG, need a tool.
func TestTIFFsForTools(t *testing.T) {
	field := func(order binary.AppendByteOrder, tag, kind uint16, value uint32) []byte {
		b := order.AppendUint32(order.AppendUint16(order.AppendUint16(nil, tag), kind), 1)
		if kind == 3 {
			return order.AppendUint16(order.AppendUint16(b, uint16(value)), 0)
		}
		return order.AppendUint32(b, value)
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		mark := map[string]string{"LittleEndian": "II", "BigEndian": "MM"}[order.String()]
		file := func(fields ...[]byte) []byte {
			b := order.AppendUint32(order.AppendUint16([]byte(mark), 42), 8)
			b = order.AppendUint16(b, uint16(len(fields)+2))
			b = append(append(b, field(order, tagWidth, 4, 9)...), field(order, tagHeight, 4, 9)...)
			return order.AppendUint32(append(b, bytes.Join(fields, nil)...), 0)
		}
		named := field(order, tagPhotometric, 3, 2)
		for name, c := range map[string]struct {
			body           []byte
			expand, byTool bool
		}{
			"unnamed":       {file(), false, true},
			"named":         {file(named), false, false},
			"tiled planes":  {file(named, field(order, tagPlanar, 3, tiffSeparate), field(order, tagTileWidth, 4, 16)), false, true},
			"luma, by LONG": {file(field(order, tagPhotometric, 4, tiffYCbCr)), true, true},
		} {
			if h, err := inspect(c.body, thumbnail.TypeTIFF); err != nil || h.Expand != c.expand || h.ByTool != c.byTool {
				t.Errorf("%s, %s: %+v, %v", name, order, h, err)
			}
		}
	}
}

func TestTIFFsOfTooManyPages(t *testing.T) {
	widths := make([]uint16, maxPages+1)
	for i := range widths {
		widths[i] = 9
	}
	body := tiffOf(binary.LittleEndian, "II", func(page int) uint32 { return uint32(8 + 30*(page+1)) }, widths...)
	if _, err := inspect(body, thumbnail.TypeTIFF); !fault.Is(err, fault.TooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		body     []byte
		promised thumbnail.Type
		want     fault.Kind
	}{
		"garbage":                    {[]byte("garbage"), thumbnail.TypeJPEG, fault.Undecodable},
		"empty":                      {nil, thumbnail.TypeJPEG, fault.Undecodable},
		"a PDF named as a JPEG":      {[]byte("%PDF-1.4"), thumbnail.TypeJPEG, fault.Undecodable},
		"an SVG named as a video":    {[]byte("<svg/>"), thumbnail.TypeVideo, fault.Undecodable},
		"a sound":                    {[]byte("ID3"), thumbnail.TypeAudio, fault.Unsupported},
		"no type at all":             {[]byte(strings.Repeat("x", 100)), thumbnail.TypeUnknown, fault.Unsupported},
		"a PNG of a huge size":       {pngOf(60000, 60000), thumbnail.TypePNG, fault.TooLarge},
		"a PNG of the largest size":  {pngOf(1<<32-1, 1<<32-1), thumbnail.TypePNG, fault.TooLarge},
		"a PNG of no width":          {pngOf(0, 10), thumbnail.TypePNG, fault.Undecodable},
		"half a header":              {pngOf(10, 10)[:20], thumbnail.TypePNG, fault.Undecodable},
		"baseline below the cap":     {jpegOf(0xc0, 900, 900), thumbnail.TypeJPEG, ""},
		"progressive above its cap":  {jpegOf(0xc2, 900, 900), thumbnail.TypeJPEG, fault.TooLarge},
		"progressive below its cap":  {jpegOf(0xc2, 400, 400), thumbnail.TypeJPEG, ""},
		"a scan before the frame":    {jpegOf(0xda, 9, 9), thumbnail.TypeJPEG, fault.Undecodable},
		"endless segments":           {append([]byte{0xff, 0xd8}, bytes.Repeat([]byte{0xff, 0xe0, 0, 2}, 5000)...), thumbnail.TypeJPEG, fault.Undecodable},
		"a TIFF that points nowhere": {[]byte("II*\x00\xff\xff\xff\xff0123"), thumbnail.TypeTIFF, fault.Undecodable},
		"a WebP of an unknown chunk": {[]byte("RIFF\x00\x00\x00\x00WEBPVP8?0123456789012345"), thumbnail.TypeWebP, fault.Undecodable},
	} {
		_, err := inspect(c.body, c.promised)
		if c.want == "" && err != nil || c.want != "" && !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestDocuments(t *testing.T) {
	binarySTL := make([]byte, 84+2*50)
	binarySTL[80] = 2
	for name, c := range map[string]struct {
		body string
		want Header
	}{
		"a PDF":            {"%PDF-1.4", Header{Type: thumbnail.TypePDF}},
		"a late PDF":       {"junk\n%PDF-1.4", Header{Type: thumbnail.TypePDF}},
		"DjVu":             {"AT&TFORM\x00\x00\x00\x00DJVU", Header{Type: thumbnail.TypeDjVu}},
		"Ogg":              {"OggS\x00\x02", Header{Type: thumbnail.TypeVideo}},
		"WebM":             {"\x1a\x45\xdf\xa3", Header{Type: thumbnail.TypeVideo}},
		"MP4":              {"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp41", Header{Type: thumbnail.TypeVideo}},
		"STL, text":        {"solid a\n facet normal 0 0 1\n", Header{Type: thumbnail.TypeSTL}},
		"STL, binary":      {string(binarySTL), Header{Type: thumbnail.TypeSTL}},
		"XCF":              {"gimp xcf file\x00\x00\x00\x01\x00\x00\x00\x00\x80\x00\x00\x00\x00", Header{Type: thumbnail.TypeXCF, Width: 256, Height: 128, Alpha: true, Whole: true}},
		"SVG":              {`<svg width="20" height="10mm"/>`, svg(20, 10*96/25.4)},
		"SVG, viewBox":     {`<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "b">]><!-- c --><s:svg viewBox="0,0 30 20"/>`, svg(30, 20)},
		"SVG, one side":    {`<svg width="100%" height="40" viewBox="0 0 30 20"/>`, svg(60, 40)},
		"SVG without size": {`<svg width="100%"/>`, svg(0, 0)},
		"SVG in UTF-16":    {"\xff\xfe" + strings.ReplaceAll(`<svg width="2" height="3"/>`, "", "\x00")[1:], svg(2, 3)},
		"JPEG XL":          {"\xff\x0a\x41\x00\x00\x00\x00\x00\x00\x00\x00\x00", Header{Type: thumbnail.TypeJXL, Width: 8, Height: 8, Whole: true}},
		"JPEG 2000":        {"\xff\x4f\xff\x51\x00\x2f\x00\x00\x00\x00\x00\x30\x00\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00", Header{Type: thumbnail.TypeJP2, Width: 48, Height: 32, Whole: true}},
		"AVIF": {"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00mif1" +
			"\x00\x00\x00\x3bmeta\x00\x00\x00\x00\x00\x00\x00\x2fiprp\x00\x00\x00\x27ipco\x00\x00\x00\x14ispe\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00\x30\x00\x00\x00\x0birot\x03\x00\x00",
			Header{Type: thumbnail.TypeAVIF, Width: 64, Height: 48, Orientation: 6, Whole: true}},
	} {
		c.want.Pages, c.want.Frames, c.want.Orientation = 1, 1, max(1, c.want.Orientation)
		got, err := inspect([]byte(c.body), c.want.Type)
		got.Shown = c.want.Shown // which has a test of its own
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, c.want)
		}
	}
}

func svg(width, height float64) Header {
	return Header{
		Type: thumbnail.TypeSVG, Alpha: true, Exact: [2]float64{width, height},
		Width: int(math.Round(width)), Height: int(math.Round(height)),
	}
}

// TestOrientation reads Exif's orientation of a JPEG; the stored sides are swapped.
func TestOrientation(t *testing.T) {
	body, err := samples.TurnedJPEG(samples.Landscape(120, 70))
	if err != nil {
		t.Fatal(err)
	}
	h, err := inspect(body, thumbnail.TypeJPEG)
	if err != nil || h.Orientation != 6 || h.Width == h.Height {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestDrawn(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		ok   bool
	}{
		"colours":           {"P6\n2 1\n255\nabcdef", true},
		"grey":              {"P5\n2 1\n255\nab", true},
		"too short":         {"P6\n2 1\n255\nabcde", false},
		"too deep":          {"P6\n2 1\n65535\nabcdefabcdef", false},
		"no sides":          {"P6\n0 0\n255\n", false},
		"too many pixels":   {"P5\n2000 2000\n255\n" + strings.Repeat("a", 4_000_000), false},
		"another kind":      {"P4\n8 1\n255\na", false},
		"not a tool's type": {"<svg/>", false},
	} {
		h, err := Drawn(strings.NewReader(c.body), int64(len(c.body)), maxPixels)
		if (err == nil) != c.ok {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}

func FuzzInspect(f *testing.F) {
	for _, body := range encoded(f) {
		f.Add(body[:min(len(body), 200)])
	}
	f.Add([]byte(`<svg width="20" height="10mm" viewBox="0 0 1 2"/>`))
	f.Add([]byte("\xff\x0a\x41\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x14ftypavif\x00\x00\x00\x00mif1\x00\x00\x00\x3bmeta\x00\x00\x00\x00"))
	f.Add([]byte(boxOf("ftyp", "avis", versioned, "iso8") + still(boxOf("iref", versioned, boxOf("prem", one))) + boxOf("moov", track("pict", ""))))
	f.Add([]byte("P6\n2 1\n255\nabcdef"))
	f.Add(pngOf(9, 9))
	for _, c := range bitmaps() {
		f.Add(c.body)
	}
	f.Add([]byte("solid a facet normal 0 0 1"))
	f.Add(jpegOf(0xc2, 9, 9))
	f.Add(tiffOf(binary.BigEndian, "MM", func(int) uint32 { return 8 }, 5))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, promised := range []thumbnail.Type{thumbnail.TypeJPEG, thumbnail.TypeTGA, thumbnail.TypeSTL, thumbnail.TypeSVG, thumbnail.TypeUnknown} {
			h, err := inspect(body, promised)
			told := bitmap(h.Type) || h.Type == thumbnail.TypeXCF
			if err == nil && told && (h.Width <= 0 || h.Height <= 0 || int64(h.Width)*int64(h.Height) > maxPixels || h.Pages < 1) {
				t.Errorf("Inspect accepts %+v", h)
			}
			if err != nil && fault.Of(err).Kind == fault.Internal {
				t.Error(err)
			}
		}
		if h, err := Drawn(bytes.NewReader(body), int64(len(body)), maxPixels); err == nil && int64(h.Width)*int64(h.Height) > maxPixels {
			t.Errorf("Drawn accepts %+v", h)
		}
	})
}
