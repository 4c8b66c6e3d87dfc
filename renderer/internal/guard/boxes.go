package guard

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// maxBoxes bounds the walk through one box of an ISO base media file. Of nested
// walks, those to meta and iprp end at the first, so that two multiply.
const maxBoxes = 256

// box is one box of ISO/IEC 14496-12: where its content is.
type box struct {
	kind     string
	from, to int64
}

// boxes calls each for the boxes between two offsets, until it gives false.
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
		found := box{string(b[4:8]), from + head, min(from+size, to)}
		if !each(found) {
			return
		}
		from += size
	}
}

// readBaseMedia tells pictures from videos by the brand.
func readBaseMedia(r *io.SectionReader) (Header, error) {
	var b [64]byte
	n, _ := r.ReadAt(b[:], 0)
	size := int(min(binary.BigEndian.Uint32(b[:]), uint32(n))) //nolint:gosec // at most 64
	if size < 16 {
		return Header{}, errors.New("no brand")
	}
	brands := string(b[8:12]) + string(b[16:size])
	switch {
	case strings.Contains(brands, "avif") || strings.Contains(brands, "avis"):
		return readHEIF(r, thumbnail.TypeAVIF)
	case strings.HasPrefix(brands, "hei") || strings.HasPrefix(brands, "hev") || strings.Contains(brands, "mif1") || strings.Contains(brands, "heic"):
		return readHEIF(r, thumbnail.TypeHEIC)
	}
	return Header{Type: thumbnail.TypeVideo}, nil
}

// readHEIF takes the largest extent of all items, of which the primary one is
// one: a grid's tiles and thumbnails are smaller.
func readHEIF(r *io.SectionReader, t thumbnail.Type) (Header, error) {
	h := Header{Type: t, Whole: true}
	boxes(r, 0, r.Size(), func(meta box) bool {
		if meta.kind != "meta" {
			return true
		}
		properties(r, meta, &h)
		return false
	})
	if h.Width == 0 {
		return h, errors.New("no extent")
	}
	return h, nil
}

// properties reads meta/iprp/ipco.
func properties(r *io.SectionReader, meta box, h *Header) {
	boxes(r, meta.from+4, meta.to, func(iprp box) bool {
		if iprp.kind != "iprp" {
			return true
		}
		boxes(r, iprp.from, iprp.to, func(ipco box) bool {
			if ipco.kind == "ipco" {
				boxes(r, ipco.from, ipco.to, func(p box) bool { property(r, p, h); return true })
			}
			return true
		})
		return false
	})
}

func property(r *io.SectionReader, p box, h *Header) {
	var b [32]byte
	n, _ := r.ReadAt(b[:min(int64(len(b)), max(0, p.to-p.from))], p.from)
	switch {
	case p.kind == "ispe" && n >= 12:
		width, height := side(binary.BigEndian.Uint32(b[4:])), side(binary.BigEndian.Uint32(b[8:]))
		if width*height > h.Width*h.Height {
			h.Width, h.Height = width, height
		}
	case p.kind == "irot" && n >= 1: // quarter turns against the clock
		h.Orientation = [4]int{1, 8, 3, 6}[b[0]&3]
	case p.kind == "auxC" && strings.Contains(string(b[:n]), "alpha"):
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

// readJXLContainer finds the code stream in its box.
func readJXLContainer(r *io.SectionReader) (h Header, err error) {
	err = errors.New("no code stream")
	boxes(r, 12, r.Size(), func(b box) bool {
		from := b.from
		switch b.kind {
		case "jxlp": // a part; its number precedes it
			from += 4
		case "jxlc":
		default:
			return true
		}
		h, err = readJXL(io.NewSectionReader(r, from, b.to-from))
		return false
	})
	return h, err
}

// jxlRatios are those that a size header names by a number, from 1 on.
var jxlRatios = [...][2]int{{1, 1}, {12, 10}, {4, 3}, {3, 2}, {16, 9}, {5, 4}, {2, 1}}

// readJXL reads the size header of JPEG XL (ISO/IEC 18181-1, D.2).
func readJXL(r *io.SectionReader) (Header, error) {
	h := Header{Type: thumbnail.TypeJXL, Whole: true}
	var b [16]byte
	if n, err := r.ReadAt(b[:], 0); n < 10 {
		return h, errors.Join(io.ErrUnexpectedEOF, err)
	}
	bits := bitReader{rest: b[2:]}
	small := bits.take(1) == 1
	length := func() int {
		if small {
			return (bits.take(5) + 1) * 8
		}
		return bits.take([]int{9, 13, 18, 30}[bits.take(2)]) + 1
	}
	h.Animated = jxlAnimated(r)
	h.Height = length()
	if ratio := bits.take(3); ratio > 0 {
		h.Width = h.Height * jxlRatios[ratio-1][0] / jxlRatios[ratio-1][1]
	} else {
		h.Width = length()
	}
	return h, nil
}

// bitReader takes bits from the least significant one on.
type bitReader struct {
	rest []byte
	at   int
}

func (b *bitReader) take(n int) (value int) {
	var bit int
	for i := range n {
		at := b.at + i
		bit = int(b.rest[at/8] >> (at % 8) & 1)
		value |= bit << i
	}
	b.at += n
	return value
}
