package guard

import (
	"encoding/binary"
	"io"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// maxBoxes bounds the walk through one box of an ISO base media file. Nested walks to meta
// and iprp end at the first match, so at most two walks multiply.
const maxBoxes = 256

// box is one box of ISO/IEC 14496-12; from and to are the offsets of its content in bytes.
type box struct {
	kind     string
	at       int64 // of the kind
	from, to int64
}

// boxes calls each for the boxes between two offsets, at most maxBoxes, until each returns
// false.
func boxes(r *io.SectionReader, from, to int64, each func(box) bool) {
	for range maxBoxes {
		var b [16]byte
		if n, _ := r.ReadAt(b[:], from); n < 8 || from >= to {
			return
		}
		size, head := int64(binary.BigEndian.Uint32(b[:])), int64(8)
		switch size {
		case 0:
			size = to - from
		case 1:
			size, head = int64(min(binary.BigEndian.Uint64(b[8:]), 1<<62)), 16
		}
		if size < head {
			return
		}
		found := box{string(b[4:8]), from + 4, from + head, min(from+size, to)}
		if !each(found) {
			return
		}
		from += size
	}
}

// properties calls each for the boxes of meta/iprp/ipco, with their numbers from 1 on.
func properties(r *io.SectionReader, meta box, each func(number int, p box)) {
	boxes(r, meta.from+4, meta.to, func(iprp box) bool {
		if iprp.kind != "iprp" {
			return true
		}
		boxes(r, iprp.from, iprp.to, func(ipco box) bool {
			if ipco.kind == "ipco" {
				number := 0
				boxes(r, ipco.from, ipco.to, func(p box) bool { number++; each(number, p); return true })
			}
			return true
		})
		return false
	})
}

func property(r *io.SectionReader, p box, h *Header) {
	var b [128]byte
	n, _ := r.ReadAt(b[:min(int64(len(b)), max(0, p.to-p.from))], p.from)
	switch {
	case p.kind == "colr":
		heifColour(r, p, h)
	case p.kind == "ispe" && n >= 12:
		width, height := side(binary.BigEndian.Uint32(b[4:])), side(binary.BigEndian.Uint32(b[8:]))
		if width*height > h.Width*h.Height {
			h.Width, h.Height = width, height
		}
	case p.kind == "irot" && n >= 1: // quarter turns counterclockwise
		h.Orientation = [4]int{1, 8, 3, 6}[b[0]&3]
	case p.kind == "imir" && n >= 1:
		h.Mirror = TopToBottom + Mirror(b[0]&1)
	case p.kind == "uncC":
		h.Uncompressed = true
	case p.kind == "auxC" && meansAlpha(string(b[:n])):
		h.Alpha = true
	}
}

// readJP2 reads the image header box of JPEG 2000.
func readJP2(r *io.SectionReader) (Header, error) {
	h := Header{Type: thumbnail.TypeJP2, Whole: true}
	boxes(r, 12, r.Size(), func(jp2h box) bool {
		if jp2h.kind != "jp2h" {
			return true
		}
		boxes(r, jp2h.from, jp2h.to, func(ihdr box) bool {
			var b [10]byte
			if _, err := r.ReadAt(b[:], ihdr.from); ihdr.kind != "ihdr" || err != nil {
				return true
			}
			h.Height, h.Width = side(binary.BigEndian.Uint32(b[:])), side(binary.BigEndian.Uint32(b[4:]))
			components := binary.BigEndian.Uint16(b[8:])
			h.Alpha = components == 2 || components == 4
			return false
		})
		return false
	})
	return h, nil
}

// readJ2K reads the SIZ marker of a bare JPEG 2000 code stream.
func readJ2K(r *io.SectionReader) (Header, error) {
	var b [24]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return Header{}, err
	}
	width := int64(binary.BigEndian.Uint32(b[8:])) - int64(binary.BigEndian.Uint32(b[16:]))
	height := int64(binary.BigEndian.Uint32(b[12:])) - int64(binary.BigEndian.Uint32(b[20:]))
	return Header{Type: thumbnail.TypeJP2, Whole: true, Width: int(min(width, 1<<31-1)), Height: int(min(height, 1<<31-1))}, nil
}
