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

// plane holds the pixels of a layer or a mask, in tiles. tile reads a tile on request.
type plane struct {
	cursor        *cursor
	width, height int
	channels      int
	indexed       bool
	format        format
	compression   int
	pointers      int64 // offset of the pointers to tiles; 0 when all pixels are transparent
	packed        []byte
}

// plane reads a hierarchy. Only its first level has pixels.
func (p *parser) plane(at int64, width, height, channels int, indexed bool) (*plane, error) {
	c := p.cursor(at)
	s := &plane{cursor: c, width: width, height: height, channels: channels, indexed: indexed, format: p.format, compression: p.compressed}
	if indexed {
		s.format.kind = unsigned8
	}
	w, h, size := c.int32(), c.int32(), c.int32()
	if c.err == nil && (w != width || h != height || size != channels*s.format.kind.size()) {
		return nil, fmt.Errorf("a hierarchy has %d × %d pixels of %d bytes, but its layer has %d × %d pixels of %d bytes", w, h, size, width, height, channels*s.format.kind.size())
	}
	c.seek(c.pointer())
	w, h = c.int32(), c.int32()
	if c.err == nil && (w != width || h != height) {
		return nil, fmt.Errorf("a level has %d × %d pixels, but its layer has %d × %d", w, h, width, height)
	}
	s.pointers = c.at
	if c.pointer() == 0 {
		s.pointers = 0
	}
	return s, c.err
}

// tile reads a tile into b, and returns the tile's size. Samples keep the byte order of the file.
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
		return pixels, width, height, errors.Join(c.err, errors.New("a layer has fewer tiles than its size needs"))
	}
	if at >= c.size { // GIMP reads missing tiles at the end of a file as empty
		return pixels, width, height, nil
	}
	return pixels, width, height, s.unpack(at, pixels)
}

// unpack reads and unpacks the bytes of a tile. Packed bytes are at most half as long again as unpacked bytes.
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
	return fmt.Errorf("the tiles have compression %d: 0 (none), 1 (RLE) and 2 (zlib) are allowed", s.compression)
}

var errRuns = errors.New("the RLE runs of a tile do not match its size")

// unpackRLE reads the runs of each pixel's first byte, then of its second byte, and so on.
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

// kind is the storage type of a sample.
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

// format is the storage of an image's samples.
type format struct {
	kind      kind
	linear    bool // proportional to light, otherwise with sRGB's curve
	bigEndian bool
}

// sample returns the sample at the start of b; 1 is white.
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

// finite replaces NaN by 0, and bounds v to the range of a half float.
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
