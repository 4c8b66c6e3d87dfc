package bmp

import (
	"encoding/binary"
	"io"
	"math/bits"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// mask selects a channel's bits of a pixel.
type mask struct {
	bits uint32
	low  int    // the lowest bit
	most uint32 // largest value
}

func maskOf(selected uint32) mask {
	low := bits.TrailingZeros32(selected)
	return mask{selected, low, selected >> low}
}

// of returns the channel's value in a pixel, from 0 to 255; 0 without a mask.
func (m mask) of(pixel uint32) byte {
	if m.bits == 0 {
		return 0
	}
	return byte((uint64(pixel&m.bits>>m.low)*255 + uint64(m.most)/2) / uint64(m.most)) //nolint:gosec // at most 255
}

func (p *Picture) setMasks(b header) {
	all := [4]uint32{0xff0000, 0xff00, 0xff}
	if p.bits == 16 {
		all = [4]uint32{0x7c00, 0x3e0, 0x1f}
	}
	const masks = 40 // where they begin: in the header, or behind a header of 40 bytes
	if p.compression == bitFields || p.compression == alphaField {
		all[0], all[1], all[2] = b.behind(masks), b.behind(masks+4), b.behind(masks+8)
	}
	if b.size() >= 56 && b.size() != 64 || p.compression == alphaField { // browsers heed it in all compressions
		all[3] = b.behind(masks + 12)
	}
	for i, selected := range all {
		p.masks[i] = maskOf(selected)
	}
}

// behind returns a field, which can stand behind the header.
func (b header) behind(at int) uint32 {
	if at+4 > len(b.all) {
		return 0
	}
	return binary.LittleEndian.Uint32(b.all[at:])
}

// rowBytes is the length of a row without the bytes that fill it up.
func (p *Picture) rowBytes() int64 { return (int64(p.Width)*int64(p.bits) + 7) / 8 }

// stride is the distance of two rows.
func (p *Picture) stride() int64 { return (int64(p.Width)*int64(p.bits) + 31) / 32 * 4 }

// lookForAlpha finds out whether any pixel has alpha. Programs that know no alpha leave zeros there.
func (p *Picture) lookForAlpha() error {
	if p.masks[3].bits == 0 || p.bits != 16 && p.bits != 32 {
		return nil
	}
	row := make([]byte, p.rowBytes())
	for y := range p.Height {
		if err := p.readRow(y, row); err != nil {
			return err
		}
		for x := range p.Width {
			if p.pixel(row, x)&p.masks[3].bits != 0 {
				p.Alpha = true
				return nil
			}
		}
	}
	return nil
}

// readRow reads the bytes of row y. The highest row is row 0.
func (p *Picture) readRow(y int, row []byte) error {
	if !p.downwards {
		y = p.Height - 1 - y
	}
	if p.painted != nil {
		copy(row, p.painted[y*len(row):])
		return nil
	}
	if n, err := p.in.ReadAt(row, p.at+int64(y)*p.stride()); n < len(row) {
		return fault.Wrap(err, fault.Undecodable, "the bitmap ends in row %d", y)
	}
	return nil
}

// pixel returns a pixel of 16 or 32 bits.
func (p *Picture) pixel(row []byte, x int) uint32 {
	if p.bits == 16 {
		return uint32(binary.LittleEndian.Uint16(row[2*x:]))
	}
	return binary.LittleEndian.Uint32(row[4*x:])
}

// Bands is the number of bytes of a written pixel: 3, or 4 with Alpha.
func (p *Picture) Bands() int {
	if p.Alpha {
		return 4
	}
	return 3
}

// Write writes the rows from the highest on, with Bands bytes a pixel. Alpha is not premultiplied. Errors are faults, or out's.
func (p *Picture) Write(out io.Writer) error {
	length := p.rowBytes()
	if p.painted != nil {
		length = int64(3 * p.Width)
	}
	row, colours := make([]byte, length), make([]byte, 0, 4*p.Width)
	for y := range p.Height {
		if err := p.readRow(y, row); err != nil {
			return err
		}
		colours = p.appendColours(colours[:0], row)
		if _, err := out.Write(colours); err != nil {
			return err
		}
	}
	return nil
}

func (p *Picture) appendColours(to, row []byte) []byte {
	if p.painted != nil {
		return append(to, row...)
	}
	for x := range p.Width {
		switch {
		case p.bits == 24:
			to = append(to, row[3*x+2], row[3*x+1], row[3*x])
		case p.bits > 8:
			to = p.appendMasked(to, p.pixel(row, x))
		default:
			shift := 8 - p.bits - x*p.bits%8
			to = append(to, p.palette[row[x*p.bits/8]>>shift&(1<<p.bits-1)][:]...)
		}
	}
	return to
}

func (p *Picture) appendMasked(to []byte, pixel uint32) []byte {
	to = append(to, p.masks[0].of(pixel), p.masks[1].of(pixel), p.masks[2].of(pixel))
	if p.Alpha {
		to = append(to, p.masks[3].of(pixel))
	}
	return to
}
