// Package psd decodes the composed picture of Photoshop files (PSD, and PSB for large documents) whose colours are grey,
// RGB or a palette, row by row.
//
// ImageMagick 6 loses the alpha of grey, and takes light in 32 bits for values; ffmpeg refuses PSB. The format is
// Adobe's ("Photoshop File Formats Specification", 2019).
package psd

import (
	"encoding/binary"
	"io"
	"math"
	"slices"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Modes of colours, by their numbers in files.
const (
	bits    = 0
	grey    = 1
	indexed = 2
	rgb     = 3
	duotone = 8 // drawn as the grey that its inks show
)

const (
	headerBytes = 26
	maxChannels = 56
	// maxProfile is the largest ICC profile that is read, in bytes.
	maxProfile = 4 << 20
	// maxResources is the largest section of resources in which the profile is searched, in bytes.
	maxResources = 64 << 20
)

// Picture is an opened file.
type Picture struct {
	Width, Height int
	// Alpha says that the channel behind the colours is transparency.
	Alpha bool
	// Grey says that red, green and blue of all pixels are alike, as the profile expects.
	Grey bool
	// Profile is the embedded ICC profile, or nil.
	Profile []byte

	in       io.ReaderAt
	channels int
	depth    int // bits of a sample: 1, 8, 16 or 32
	mode     int
	matted   bool // the colours are mixed with white where the picture is transparent
	palette  []byte
	pixels   int64   // offset of the rows
	ends     []int64 // the end of each packed row, from pixels on; nil for rows that are not packed
}

// Open reads everything but pixels. size is the file's in bytes; alpha says whether the file's channel behind the
// colours is transparency. Errors are faults: Undecodable for a file that breaks the format, Unsupported for a kind of
// colours that is not drawn, TooLarge above maxPixels.
func Open(in io.ReaderAt, size, maxPixels int64, alpha bool) (*Picture, error) {
	r := &reader{in: in, size: size}
	head := r.take(headerBytes)
	if r.err != nil {
		return nil, r.fault()
	}
	number := func(at int) int { return int(binary.BigEndian.Uint16(head[at:])) }
	p := &Picture{
		in: in, Height: int(min(binary.BigEndian.Uint32(head[14:]), 1<<30)), Width: int(min(binary.BigEndian.Uint32(head[18:]), 1<<30)),
		channels: number(12), depth: number(22), mode: number(24),
	}
	if err := p.check(maxPixels); err != nil {
		return nil, err
	}
	p.Alpha, p.Grey = alpha && p.channels > p.colours(), p.mode == grey || p.mode == duotone
	large := number(4) == 2
	p.palette = r.section(3 * 256)
	p.Profile = profile(r.section(maxResources))
	if p.depth == 32 {
		p.Profile = nil // its curve is light, and Row encodes light as sRGB
	}
	p.matted = r.skip(r.length(sizeOf(large))) > 0
	p.readPacking(r, large)
	if r.err != nil || p.mode == indexed && len(p.palette) < 3*256 {
		return nil, r.fault()
	}
	return p, nil
}

// sizeOf returns the bytes of a length that large documents double.
func sizeOf(large bool) int64 {
	if large {
		return 8
	}
	return 4
}

func (p *Picture) check(maxPixels int64) error {
	known := p.depth == 8 || p.mode == bits && p.depth == 1 || p.mode != bits && p.mode != indexed && (p.depth == 16 || p.depth == 32)
	switch {
	case p.Width < 1 || p.Height < 1:
		return fault.New(fault.Undecodable, "the Photoshop file declares %d × %d pixels; both sides must have at least 1 pixel", p.Width, p.Height)
	case int64(p.Width)*int64(p.Height) > maxPixels:
		return fault.New(fault.TooLarge, "the original has %d × %d pixels; at most %d pixels are allowed", p.Width, p.Height, maxPixels)
	case !slices.Contains([]int{bits, grey, indexed, rgb, duotone}, p.mode) || !known:
		return fault.New(fault.Unsupported, "Photoshop files of the colour mode %d with %d bits per sample are not drawn", p.mode, p.depth)
	case p.channels < p.colours() || p.channels > maxChannels:
		return fault.New(fault.Undecodable, "the Photoshop file has %d channels; its colours have %d, and at most %d are allowed", p.channels, p.colours(), maxChannels)
	}
	return nil
}

// colours returns the number of channels that are colours.
func (p *Picture) colours() int {
	if p.mode == rgb {
		return 3
	}
	return 1
}

func (p *Picture) rowBytes() int { return (p.Width*p.depth + 7) / 8 }

// readPacking reads how rows are stored: as they are (0), or by PackBits (1).
func (p *Picture) readPacking(r *reader, large bool) {
	kind := r.take(2)
	p.pixels = r.at
	if r.err != nil || binary.BigEndian.Uint16(kind) == 0 {
		return
	}
	if binary.BigEndian.Uint16(kind) != 1 {
		r.err = errPacking
		return
	}
	size := int64(2)
	if large {
		size = 4
	}
	counts := r.take(size * int64(p.channels) * int64(p.Height))
	p.pixels = r.at
	var end int64
	for ; len(counts) > 0; counts = counts[size:] {
		if size == 2 {
			end += int64(binary.BigEndian.Uint16(counts))
		} else {
			end += int64(binary.BigEndian.Uint32(counts))
		}
		p.ends = append(p.ends, end)
	}
}

// Row returns red, green, blue and alpha of each pixel of a row, counted from the top. Alpha is not premultiplied.
// Rows behind the end of the file are white.
func (p *Picture) Row(y int) []byte {
	out := make([]byte, 4*p.Width)
	colours := p.colours()
	samples := make([][]byte, colours+1)
	for c := range samples {
		if c < colours || p.Alpha {
			samples[c] = p.samples(c, y)
		}
	}
	for x := range p.Width {
		copy(out[4*x:], p.pixel(samples, x))
	}
	return out
}

// pixel returns the colour of a pixel.
func (p *Picture) pixel(samples [][]byte, x int) []byte {
	alpha := 1.0
	if p.Alpha {
		alpha = p.sample(samples[len(samples)-1], x, false)
	}
	if p.mode == indexed {
		i := samples[0][x]
		return []byte{p.palette[i], p.palette[256+int(i)], p.palette[512+int(i)], level(alpha)}
	}
	var c [3]float64
	for i := range c {
		c[i] = p.sample(samples[min(i, p.colours()-1)], x, true)
		switch {
		case p.mode == bits:
			c[i] = 1 - c[i] // a set bit is black
		case p.matted && alpha > 0:
			c[i] = (c[i] - 1 + alpha) / alpha
		}
	}
	return []byte{level(c[0]), level(c[1]), level(c[2]), level(alpha)}
}

// sample returns a sample from 0 to 1. Colours of 32 bits are light.
func (p *Picture) sample(row []byte, x int, colour bool) float64 {
	switch p.depth {
	case 1:
		return float64(row[x/8] >> (7 - x%8) & 1)
	case 16:
		return float64(binary.BigEndian.Uint16(row[2*x:])) / math.MaxUint16
	case 32:
		v := float64(math.Float32frombits(binary.BigEndian.Uint32(row[4*x:])))
		if colour {
			return encoded(v)
		}
		return v
	}
	return float64(row[x]) / math.MaxUint8
}

// encoded returns the sRGB value of light (IEC 61966-2-1).
func encoded(light float64) float64 {
	if light <= 0.0031308 {
		return 12.92 * light
	}
	return 1.055*math.Pow(light, 1/2.4) - 0.055
}

// level returns a value as a byte. A value that is not a number gives 0.
func level(v float64) byte {
	if !(v > 0) {
		return 0
	}
	return byte(math.Round(min(v, 1) * math.MaxUint8))
}
