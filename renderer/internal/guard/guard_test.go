package guard

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/samples"
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
		want := Header{Type: kind, Width: 120, Height: 70, Pages: 1}
		if kind == thumbnail.TypeGIF {
			want.Width = 70
		}
		for _, promised := range []thumbnail.Type{kind, thumbnail.TypeUnknown, thumbnail.TypePNG} { // the bytes decide
			if got, err := inspect(body, promised); err != nil || got != want {
				t.Errorf("%s: %+v, %v", kind, got, err)
			}
		}
	}
}

// jpegOf is a JPEG's beginning with the given frame marker.
func jpegOf(marker byte, width, height uint16) []byte {
	b := []byte{0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff, marker, 0, 17, 8}
	b = binary.BigEndian.AppendUint16(b, height)
	return append(binary.BigEndian.AppendUint16(b, width), 3, 1, 0x22, 0)
}

// pngOf is a PNG's beginning that declares any size.
func pngOf(width, height uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	return append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, width), height), 8, 2, 0, 0, 0)
}

// tiffOf is a TIFF of directories of the given widths, each 10 high.
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
		"cut short":     append(tiffOf(binary.LittleEndian, "II", func(page int) uint32 { return uint32(8 + 30*(page+1)) }, 5, 9, 7), 1),
	} {
		h, err := inspect(body, thumbnail.TypeTIFF)
		if err != nil || h.Pages != 3 || h.Width != 9 || h.Height != 10 {
			t.Errorf("%s: %+v, %v", name, h, err)
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
		"another type":               {[]byte("%PDF-1.4"), thumbnail.TypePDF, fault.Unsupported},
		"no type at all":             {[]byte(strings.Repeat("x", 100)), thumbnail.TypeUnknown, fault.Unsupported},
		"a bomb of a PNG":            {pngOf(60000, 60000), thumbnail.TypePNG, fault.TooLarge},
		"a PNG beyond all measure":   {pngOf(1<<32-1, 1<<32-1), thumbnail.TypePNG, fault.TooLarge},
		"a PNG of nothing":           {pngOf(0, 10), thumbnail.TypePNG, fault.Undecodable},
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

func FuzzInspect(f *testing.F) {
	for _, body := range encoded(f) {
		f.Add(body[:min(len(body), 200)])
	}
	f.Add(pngOf(9, 9))
	f.Add(jpegOf(0xc2, 9, 9))
	f.Add(tiffOf(binary.BigEndian, "MM", func(int) uint32 { return 8 }, 5))
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := inspect(body, thumbnail.TypeJPEG)
		if err == nil && (h.Width <= 0 || h.Height <= 0 || int64(h.Width)*int64(h.Height) > maxPixels || h.Pages < 1) {
			t.Errorf("let through %+v", h)
		}
		if err != nil && fault.Of(err).Kind == fault.Internal {
			t.Error(err)
		}
	})
}
