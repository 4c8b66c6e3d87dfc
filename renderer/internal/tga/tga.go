// Package tga decodes Truevision's TGA files of version 1 and 2.
//
// ImageMagick 6 takes grey with alpha for colours, and draws pictures whose alpha is zero everywhere as
// transparent. The format is Truevision's ("TGA File Format Specification, Version 2.0", 1991). A picture that
// ends early has black rows where pixels are missing.
package tga

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/thumbmill/thumbmill/shared/fault"
)

const headerBytes = 18

// Values of the image type; runs are added to it if pixels are in packets of run lengths.
const (
	mapped  = 1
	colours = 2
	grey    = 3
	runs    = 8
)

// Bits of the descriptor.
const (
	attributes = 0x0f // the number of a pixel's bits that are alpha
	leftwards  = 0x10 // the first pixel is at the right
	downwards  = 0x20 // the first row is at the top
)

// Picture is a decoded file.
type Picture struct {
	Width, Height int
	// Alpha says that the pixels have alpha that is not zero everywhere.
	Alpha bool
	// Pix has red, green, blue and alpha of each pixel, from the top left corner on. Alpha is not premultiplied.
	Pix []byte
}

// header has the fields that tell how pixels are stored.
type header struct {
	kind, depth  int // depth is the bits of a pixel
	descriptor   byte
	comment      int // bytes behind the header
	first, count int // the palette's colours in the file: the number of the first, and how many
	entry        int // bits of a palette's colour
}

// Open decodes a file of size bytes. Errors are faults: Undecodable for a file that breaks the format, TooLarge above
// maxPixels.
func Open(in io.ReaderAt, size, maxPixels int64) (*Picture, error) {
	var b [headerBytes]byte
	if _, err := in.ReadAt(b[:], 0); err != nil {
		return nil, fault.Wrap(err, fault.Undecodable, "the TGA file is shorter than its header")
	}
	p := &Picture{Width: int(binary.LittleEndian.Uint16(b[12:])), Height: int(binary.LittleEndian.Uint16(b[14:]))}
	h := header{
		kind: int(b[2]), depth: int(b[16]), descriptor: b[17], comment: int(b[0]),
		first: int(binary.LittleEndian.Uint16(b[3:])), count: int(b[1]&1) * int(binary.LittleEndian.Uint16(b[5:])), entry: int(b[7]),
	}
	if err := h.check(p, maxPixels); err != nil {
		return nil, err
	}
	d := decoder{file: h, in: bufio.NewReader(io.NewSectionReader(in, headerBytes+int64(h.comment), max(0, size-headerBytes-int64(h.comment))))}
	if err := d.readPalette(); err != nil {
		return nil, err
	}
	p.Pix = make([]byte, 4*p.Width*p.Height)
	if err := d.paint(p); err != nil {
		return nil, err
	}
	p.settleAlpha()
	return p, nil
}

func (h header) check(p *Picture, maxPixels int64) error {
	depths := map[int][]int{mapped: {8, 16}, colours: {15, 16, 24, 32}, grey: {8, 16}}[h.kind&^runs]
	entries := []int{15, 16, 24, 32}
	switch {
	case p.Width < 1 || p.Height < 1:
		return fault.New(fault.Undecodable, "the TGA file declares %d × %d pixels; both sides must have at least 1 pixel", p.Width, p.Height)
	case int64(p.Width)*int64(p.Height) > maxPixels:
		return fault.New(fault.TooLarge, "the original has %d × %d pixels; at most %d pixels are allowed", p.Width, p.Height, maxPixels)
	case !slices.Contains(depths, h.depth):
		return fault.New(fault.Undecodable, "TGA files of the image type %d with %d bits a pixel are not drawn", h.kind, h.depth)
	case h.count > 0 && !slices.Contains(entries, h.entry), h.kind&^runs == mapped && h.count == 0:
		return fault.New(fault.Undecodable, "the TGA file has a palette of %d colours with %d bits each; 15, 16, 24 and 32 bits are allowed", h.count, h.entry)
	}
	return nil
}

// decoder reads pixels one after the other.
type decoder struct {
	file    header
	in      *bufio.Reader
	palette [][4]byte
	packet  int     // pixels left in the packet of run lengths
	same    bool    // they are all alike
	pixel   [4]byte // the latest pixel
}

func (d *decoder) readPalette() error {
	entry := make([]byte, (d.file.entry+7)/8)
	for range d.file.count {
		if _, err := io.ReadFull(d.in, entry); err != nil {
			return fault.Wrap(err, fault.Undecodable, "the TGA file ends in its palette")
		}
		d.palette = append(d.palette, colour(entry, d.file.entry))
	}
	return nil
}

// paint reads all rows. It returns a fault only if the file has no pixel.
func (d *decoder) paint(p *Picture) error {
	for i := range p.Width * p.Height {
		err := d.next()
		if err != nil && i == 0 {
			return fault.Wrap(err, fault.Undecodable, "the TGA file has no pixels")
		}
		if err != nil {
			p.blacken(i, d.file.descriptor)
			return nil
		}
		copy(p.Pix[p.offset(i, d.file.descriptor):], d.pixel[:])
	}
	return nil
}

// blacken paints the missing pixels from number i on.
func (p *Picture) blacken(i int, descriptor byte) {
	for ; i < p.Width*p.Height; i++ {
		p.Pix[p.offset(i, descriptor)+3] = 255
	}
}

// offset returns the place in Pix of a file's pixel number i.
func (p *Picture) offset(i int, descriptor byte) int {
	x, y := i%p.Width, i/p.Width
	if descriptor&leftwards != 0 {
		x = p.Width - 1 - x
	}
	if descriptor&downwards == 0 {
		y = p.Height - 1 - y
	}
	return 4 * (y*p.Width + x)
}

// next reads the next pixel.
func (d *decoder) next() error {
	if d.file.kind&runs == 0 {
		return d.readPixel()
	}
	if d.packet == 0 {
		b, err := d.in.ReadByte()
		if err != nil {
			return err
		}
		d.packet, d.same = int(b&0x7f)+1, b&0x80 != 0
		d.packet--
		return d.readPixel()
	}
	d.packet--
	if d.same {
		return nil
	}
	return d.readPixel()
}

// readPixel reads a stored pixel.
func (d *decoder) readPixel() error {
	var b [4]byte
	stored := b[:(d.file.depth+7)/8]
	if _, err := io.ReadFull(d.in, stored); err != nil {
		return err
	}
	switch d.file.kind &^ runs {
	case mapped:
		number := (int(b[0]) | int(b[1])<<8) - d.file.first
		if number < 0 || number >= len(d.palette) {
			return errors.New("a pixel has a colour that the palette lacks")
		}
		d.pixel = d.palette[number]
	case grey:
		d.pixel = [4]byte{b[0], b[0], b[0], 255}
		if d.file.depth == 16 {
			d.pixel[3] = b[1]
		}
	default:
		d.pixel = colour(stored, d.file.depth)
		if d.file.descriptor&attributes == 0 && d.file.depth != 32 { // the writers of games leave 0 beside real alpha
			d.pixel[3] = 255
		}
	}
	return nil
}

// colour returns a stored colour of 15, 16, 24 or 32 bits.
func colour(b []byte, depth int) [4]byte {
	five := func(v uint16) byte { return byte((uint32(v&31)*255 + 15) / 31) } //nolint:gosec // at most 255
	switch depth {
	case 15, 16:
		v := binary.LittleEndian.Uint16(b)
		alpha := byte(255)
		if depth == 16 && v&0x8000 == 0 {
			alpha = 0
		}
		return [4]byte{five(v >> 10), five(v >> 5), five(v), alpha}
	case 32:
		return [4]byte{b[2], b[1], b[0], b[3]}
	}
	return [4]byte{b[2], b[1], b[0], 255}
}

// settleAlpha sets Alpha. Alpha that is zero everywhere means nothing.
func (p *Picture) settleAlpha() {
	opaque, clear := true, true
	for i := 3; i < len(p.Pix); i += 4 {
		opaque, clear = opaque && p.Pix[i] == 255, clear && p.Pix[i] == 0
	}
	p.Alpha = !opaque && !clear
	for i := 3; clear && i < len(p.Pix); i += 4 {
		p.Pix[i] = 255
	}
}
