package guard

import (
	"testing"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// A decoder that holds all pixels needs more memory for alpha and for more bits, so that fewer pixels are allowed.
func TestMemoryForPixels(t *testing.T) {
	const gib = 1 << 30
	square := func(of thumbnail.Type, side int) Header {
		return Header{Type: of, Width: side, Height: side, Whole: true}
	}
	with := func(h Header, alpha, deep bool) Header { h.Alpha, h.Deep = alpha, deep; return h }
	for name, c := range map[string]struct {
		header Header
		memory int64
		ok     bool
	}{
		"JPEG XL, 64 megapixels":                  {square(thumbnail.TypeJXL, 8000), 3 * gib, true},
		"JPEG XL, 100 megapixels":                 {square(thumbnail.TypeJXL, 10000), 3 * gib, false},
		"JPEG XL, 100 megapixels, more memory":    {square(thumbnail.TypeJXL, 10000), 4 * gib, true},
		"JPEG XL, 36 megapixels of alpha":         {with(square(thumbnail.TypeJXL, 6000), true, false), 3 * gib, false},
		"JPEG XL, 25 megapixels of 16 bits":       {with(square(thumbnail.TypeJXL, 5000), true, true), 3 * gib, false},
		"JPEG XL, 16 megapixels of 16 bits":       {with(square(thumbnail.TypeJXL, 4000), true, true), 3 * gib, true},
		"AVIF, 81 megapixels":                     {square(thumbnail.TypeAVIF, 9000), 3 * gib, true},
		"AVIF, 81 megapixels of 10 bits":          {with(square(thumbnail.TypeAVIF, 9000), false, true), 3 * gib, false},
		"PNG of 16 bits, read line by line":       {Header{Type: thumbnail.TypePNG, Width: 20000, Height: 20000, Deep: true}, 3 * gib, true},
		"BMP, which is read line by line":         {square(thumbnail.TypeBMP, 10000), 3 * gib, true},
		"JPEG XL, 1 megapixel, in little memory":  {square(thumbnail.TypeJXL, 1000), gib, true},
		"JPEG XL, 16 megapixels in little memory": {square(thumbnail.TypeJXL, 4000), gib, false},
		"JPEG XL, without a limit":                {square(thumbnail.TypeJXL, 10000), 0, true},
	} {
		if err := c.header.Affords(c.memory); c.ok && err != nil || !c.ok && !fault.Is(err, fault.TooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDepthOfJXL(t *testing.T) {
	eight := func(b *bitWriter) *bitWriter { return b.put(0, 1).put(0, 2) }
	for name, c := range map[string]struct {
		stream *bitWriter
		deep   bool
	}{
		"default":        {jxlStream().put(1, 1), false},
		"8 bits":         {eight(jxlStream().put(0, 2)).put(1, 1).put(0, 2), false},
		"10 bits":        {jxlStream().put(0, 2).put(0, 1).put(1, 2).put(1, 1).put(0, 2), true},
		"16 bits":        {jxlStream().put(0, 2).put(0, 1).put(3, 2).put(15, 6).put(1, 1).put(0, 2), true},
		"floating point": {jxlStream().put(0, 2).put(1, 1).put(0, 2).put(7, 4).put(1, 1).put(0, 2), true},
		"alpha of 10 bits": {eight(jxlStream().put(0, 2)).put(1, 1).put(1, 2).put(0, 1).put(0, 2).
			put(0, 1).put(1, 2).put(0, 2).put(0, 2).put(0, 1), true},
	} {
		body := append(c.stream.out, make([]byte, 16)...)
		if h, err := inspect(body, thumbnail.TypeJXL); err != nil || h.Deep != c.deep {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}
