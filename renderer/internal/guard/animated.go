package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// maxFrames bounds the count of an animation's frames: no thumbnail has more.
	maxFrames = 10_000
	// maxWalked bounds the search for frames, in bytes.
	maxWalked = 256 << 20
)

// readPNG reads the IHDR chunk, the colours and the transparency of a PNG.
func readPNG(r *io.SectionReader) (Header, error) {
	var b [29]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return Header{}, err
	}
	if string(b[12:16]) != "IHDR" {
		return Header{}, errors.New("the PNG does not begin with an IHDR chunk")
	}
	h := Header{
		Type:  thumbnail.TypePNG,
		Width: side(binary.BigEndian.Uint32(b[16:])), Height: side(binary.BigEndian.Uint32(b[20:])),
		Whole: b[28] != 0, // interlaced
	}
	colour := b[25]
	h.Deep = b[24] > 8
	h.Indexed = colour == 3 || colour == 0 && b[24] <= 8
	h.Colour = pngColour(r)
	transparent, early := pngTransparency(r)
	h.Alpha = colour == 4 || colour == 6 || transparent
	h.ByTool = early
	return h, nil
}

// pngTransparency looks for a tRNS chunk before the pixels. A chunk before the palette is
// early: libvips refuses such a picture; other readers accept it.
func pngTransparency(r *io.SectionReader) (transparent, early bool) {
	pngChunks(r, func(kind string, _ *io.SectionReader) bool {
		switch kind {
		case "tRNS":
			transparent = true
		case "PLTE":
			early = transparent
		}
		return kind != "IDAT" && kind != "IEND"
	})
	return transparent, early
}

// readWebP reads the first chunk of a WebP: VP8 (lossy), VP8L (lossless) or VP8X (extended).
func readWebP(r *io.SectionReader) (Header, error) {
	var b [30]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return Header{}, err
	}
	h := Header{Type: thumbnail.TypeWebP, Whole: true}
	switch string(b[12:16]) {
	case "VP8 ":
		if string(b[23:26]) != "\x9d\x01\x2a" {
			return h, errors.New("the WebP does not begin with a VP8 key frame")
		}
		h.Width = int(binary.LittleEndian.Uint16(b[26:]) & 0x3fff)
		h.Height = int(binary.LittleEndian.Uint16(b[28:]) & 0x3fff)
	case "VP8L":
		bits := binary.LittleEndian.Uint32(b[21:])
		h.Width, h.Height, h.Alpha = int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1, bits>>28&1 != 0
	case "VP8X":
		h.Width, h.Height, h.Alpha = int(uint24(b[24:]))+1, int(uint24(b[27:]))+1, b[20]&0x10 != 0
		if b[20]&0x02 != 0 {
			h.Frames = webPFrames(r)
		}
	default:
		return h, fmt.Errorf("the first chunk of the WebP is %q: it must be \"VP8 \", \"VP8L\" or \"VP8X\"", b[12:16])
	}
	return h, nil
}

// webPFrames returns the number of ANMF chunks, at most maxFrames.
func webPFrames(r *io.SectionReader) (frames int) {
	const maxChunks = 4 * maxFrames
	at := int64(12)
	for range maxChunks {
		var b [8]byte
		if _, err := r.ReadAt(b[:], at); err != nil || frames >= maxFrames {
			break
		}
		if string(b[:4]) == "ANMF" {
			frames++
		}
		size := int64(binary.LittleEndian.Uint32(b[4:]))
		at += 8 + size + size&1
	}
	return frames
}

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }
