package xcf

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const tileSide = 64

// plane is the pixels of a layer or a mask, in tiles that are read when they are asked for.
type plane struct {
	cursor        *cursor
	width, height int
	channels      int
	indexed       bool
	format        format
	compression   int
	pointers      int64 // where the pointers to the tiles begin; 0 when all is transparent
	packed        []byte
}

// plane reads a hierarchy, of which the first level alone has pixels.
func (p *parser) plane(at int64, width, height, channels int, indexed bool) (*plane, error) {
	c := p.cursor(at)
	s := &plane{cursor: c, width: width, height: height, channels: channels, indexed: indexed, format: p.format, compression: p.compressed}
	if indexed {
		s.format.kind = unsigned8
	}
	w, h, size := c.int32(), c.int32(), c.int32()
	if c.err == nil && (w != width || h != height || size != channels*s.format.kind.size()) {
		return nil, fmt.Errorf("pixels of %d × %d × %d bytes in a layer of %d × %d × %d", w, h, size, width, height, channels*s.format.kind.size())
	}
	c.seek(c.pointer())
	w, h = c.int32(), c.int32()
	if c.err == nil && (w != width || h != height) {
		return nil, fmt.Errorf("tiles of %d × %d pixels in a layer of %d × %d", w, h, width, height)
	}
	s.pointers = c.at
	if c.pointer() == 0 {
		s.pointers = 0
	}
	return s, c.err
}

// tile reads a tile into b and gives its size. Bytes are in the order of the file.
func (s *plane) tile(column, row int, b []byte) (pixels []byte, width, height int, err error) {
	width, height = min(tileSide, s.width-column*tileSide), min(tileSide, s.height-row*tileSide)
	pixels = b[:width*height*s.channels*s.format.kind.size()]
	clear(pixels)
	if s.pointers == 0 {
		return pixels, width, height, nil
	}
	columns := (s.width + tileSide - 1) / tileSide
	c := s.cursor
	c.err = nil
	c.seek(s.pointers + (int64(row)*int64(columns)+int64(column))*c.pointerSize())
	at := c.pointer()
	if c.err != nil || at == 0 {
		return pixels, width, height, errors.Join(c.err, errors.New("a layer has too few tiles"))
	}
	if at >= c.size { // GIMP takes what is missing at the end of a file for empty tiles
		return pixels, width, height, nil
	}
	return pixels, width, height, s.unpack(at, pixels)
}

// unpack reads the bytes of a tile. What is packed is at most half as long again as what is not.
func (s *plane) unpack(at int64, pixels []byte) error {
	if s.packed == nil {
		s.packed = make([]byte, tileSide*tileSide*s.channels*s.format.kind.size()*3/2+64)
	}
	n, err := s.cursor.file.ReadAt(s.packed[:min(int64(len(s.packed)), s.cursor.size-at)], at)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	packed := s.packed[:n]
	switch s.compression {
	case 0:
		if copy(pixels, packed) < len(pixels) {
			return errDamaged
		}
		return nil
	case 1:
		return unpackRLE(pixels, packed, s.channels*s.format.kind.size())
	case 2:
		z, err := zlib.NewReader(bytes.NewReader(packed))
		if err != nil {
			return err
		}
		_, err = io.ReadFull(z, pixels)
		return err
	}
	return fmt.Errorf("tiles of compression %d", s.compression)
}

var errRuns = errors.New("the runs of a tile do not fill it")

// unpackRLE reads runs of the first byte of each pixel, then of the second, and so on.
func unpackRLE(pixels, packed []byte, size int) error {
	for first := range size {
		var err error
		if packed, err = unpackRuns(pixels, packed, first, size); err != nil {
			return err
		}
	}
	return nil
}

func unpackRuns(pixels, packed []byte, at, step int) ([]byte, error) {
	for at < len(pixels) {
		if len(packed) < 2 {
			return nil, errRuns
		}
		op, length := int(packed[0]), int(packed[0])+1
		packed = packed[1:]
		if op >= 128 {
			length = 256 - op
		}
		if op == 127 || op == 128 {
			if len(packed) < 3 {
				return nil, errRuns
			}
			length = int(binary.BigEndian.Uint16(packed))
			packed = packed[2:]
		}
		copied, used := op >= 128, 1
		if copied {
			used = length
		}
		if used > len(packed) || (len(pixels)-at+step-1)/step < length {
			return nil, errRuns
		}
		for i := range length {
			if copied {
				pixels[at] = packed[i]
			} else {
				pixels[at] = packed[0]
			}
			at += step
		}
		packed = packed[used:]
	}
	return packed, nil
}

// kind is how a sample is stored.
type kind int

const (
	unsigned8 kind = iota
	unsigned16
	unsigned32
	half
	single
	double
)

func (k kind) size() int { return []int{1, 2, 4, 2, 4, 8}[k] }

// format is how the samples of an image are stored.
type format struct {
	kind      kind
	linear    bool // proportional to light; else with the curve of sRGB
	bigEndian bool
}

// sample gives the sample at the beginning of b, 1 being white.
func (f format) sample(b []byte) float32 {
	if f.kind == unsigned8 {
		return float32(b[0]) / 255
	}
	var order binary.ByteOrder = binary.LittleEndian
	if f.bigEndian {
		order = binary.BigEndian
	}
	switch f.kind {
	case unsigned16:
		return float32(order.Uint16(b)) / math.MaxUint16
	case unsigned32:
		return float32(float64(order.Uint32(b)) / math.MaxUint32)
	case half:
		return finite(halfFloat(order.Uint16(b)))
	case single:
		return finite(math.Float32frombits(order.Uint32(b)))
	}
	return finite(float32(math.Float64frombits(order.Uint64(b))))
}

// finite keeps what is no number out of the arithmetic.
func finite(v float32) float32 {
	if v != v {
		return 0
	}
	return max(-65504, min(65504, v))
}

func halfFloat(b uint16) float32 {
	exponent, fraction := int(b>>10&31), float64(b&1023)
	v := math.Ldexp(1+fraction/1024, exponent-15)
	switch exponent {
	case 0:
		v = math.Ldexp(fraction/1024, -14)
	case 31:
		v = math.Inf(1)
	}
	if b>>15 != 0 {
		v = -v
	}
	return float32(v)
}

func clamp(v float32) float32 {
	if v != v {
		return 0
	}
	return max(0, min(1, v))
}
