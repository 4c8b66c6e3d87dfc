package guard

import (
	"encoding/binary"
	"io"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
)

// pngColour reads what a PNG without an ICC profile says of its colours: cICP goes before
// iCCP, that before sRGB, and that before gAMA and cHRM (PNG 3, 4.3).
func pngColour(r *io.SectionReader) colour.Space {
	var gamma float64
	var primaries colour.Primaries
	known := false // by a profile, or as sRGB
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

// chromaticities reads a cHRM chunk, whose white comes first.
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

// pngChunks calls each for the chunks of a PNG, until it gives false.
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

// heifColour reads a colour information box (ISO/IEC 14496-12, 12.1.5). The first one holds;
// an ICC profile goes before code points.
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
