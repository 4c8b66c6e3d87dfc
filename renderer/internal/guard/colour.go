package guard

import (
	"encoding/binary"
	"io"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
)

// pngColour returns the colour space of a PNG without an ICC profile. cICP has precedence over
// iCCP, iCCP over sRGB, and sRGB over gAMA and cHRM (PNG 3, 4.3).
func pngColour(r *io.SectionReader) colour.Space {
	var gamma float64
	var primaries colour.Primaries
	known := false // a profile or sRGB tells the colours
	var codes *colour.Space
	pngChunks(r, func(kind string, content *io.SectionReader) bool {
		switch kind {
		case "cICP":
			var b [4]byte
			if _, err := content.ReadAt(b[:], 0); err == nil {
				s := colour.OfCodes(int(b[0]), int(b[1]))
				codes = &s
			}
		case "iCCP", "sRGB":
			known = true
		case "gAMA":
			gamma = hundredThousandths(content, 0)
		case "cHRM":
			primaries = chromaticities(content)
		}
		return kind != "IDAT" && kind != "IEND"
	})
	switch {
	case codes != nil:
		return *codes
	case known:
		return colour.Space{}
	}
	return colour.OfGamma(gamma, primaries)
}

// chromaticities reads a cHRM chunk. The chunk has the white point first, and the result has
// the white point last.
func chromaticities(r *io.SectionReader) (p colour.Primaries) {
	for i, place := range []int64{24, 32, 40, 0} {
		from := place
		if i < 3 {
			from -= 16
		}
		p[i] = [2]float64{hundredThousandths(r, from), hundredThousandths(r, from+4)}
	}
	return p
}

func hundredThousandths(r *io.SectionReader, at int64) float64 {
	var b [4]byte
	if _, err := r.ReadAt(b[:], at); err != nil {
		return 0
	}
	return float64(binary.BigEndian.Uint32(b[:])) / 100_000
}

// pngChunks calls each for the chunks of a PNG, at most maxMarkers, until each returns false.
func pngChunks(r *io.SectionReader, each func(kind string, content *io.SectionReader) bool) {
	at := int64(8)
	for range maxMarkers {
		var b [8]byte
		if _, err := r.ReadAt(b[:], at); err != nil {
			return
		}
		size := int64(binary.BigEndian.Uint32(b[:]))
		if !each(string(b[4:]), io.NewSectionReader(r, at+8, size)) {
			return
		}
		at += 12 + size
	}
}

// heifColour reads a colour information box (ISO/IEC 14496-12, 12.1.5). The first box counts;
// an ICC profile has precedence over code points.
func heifColour(r *io.SectionReader, p box, h *Header) {
	var b [8]byte
	if n, _ := r.ReadAt(b[:], p.from); n < len(b) {
		return
	}
	switch kind := string(b[:4]); {
	case kind == "prof" || kind == "rICC":
		h.profiled, h.Colour = true, colour.Space{}
	case kind == "nclx" && !h.profiled && h.Colour.Plain():
		h.Colour = colour.OfCodes(int(binary.BigEndian.Uint16(b[4:])), int(binary.BigEndian.Uint16(b[6:])))
	}
}
