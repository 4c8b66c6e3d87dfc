package guard

import (
	"errors"
	"io"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// jxlHead bounds the bytes of a JPEG XL code stream that are read. The headers are shorter,
// except for long names of extra channels.
const jxlHead = 4096

// readJXLContainer finds the code stream in its box, or joins its parts from several boxes.
// cjxl writes several boxes if it converts a JPEG.
func readJXLContainer(r *io.SectionReader) (Header, error) {
	var stream []byte
	boxes(r, 12, r.Size(), func(b box) bool {
		switch b.kind {
		case "jxlp": // a part; its number stands before the bytes
			b.from += 4
		case "jxlc":
		default:
			return true
		}
		if b.to > b.from {
			stream = append(stream, head(io.NewSectionReader(r, b.from, b.to-b.from), jxlHead-int64(len(stream)))...)
		}
		return b.kind == "jxlp" && len(stream) < jxlHead
	})
	if len(stream) == 0 {
		return Header{}, errors.New("the JPEG XL container has no code stream")
	}
	return jxlHeader(stream)
}

func readJXL(r *io.SectionReader) (Header, error) { return jxlHeader(head(r, jxlHead)) }

// jxlHeader reads the size header and the image metadata of JPEG XL (ISO/IEC 18181-1,
// annex D) up to the extra channels.
func jxlHeader(stream []byte) (Header, error) {
	h := Header{Type: thumbnail.TypeJXL, Whole: true}
	bits := bitReader{rest: stream[min(2, len(stream)):]}
	h.Width, h.Height = bits.jxlSize()
	if bits.short() {
		return h, io.ErrUnexpectedEOF
	}
	m := bits.jxlMetadata()
	if !bits.short() { // a decoder decides about truncated metadata
		h.Orientation, h.Alpha, h.Premultiplied, h.ByTool = m.orientation, m.alpha, m.premultiplied, m.animated || m.inks
		h.Deep, h.Inks = m.deep, m.black
	}
	return h, nil
}

// jxlRatios are the ratios of width to height that a size header numbers from 1 on.
var jxlRatios = [...][2]int{{1, 1}, {12, 10}, {4, 3}, {3, 2}, {16, 9}, {5, 4}, {2, 1}}

func (b *bitReader) jxlSize() (width, height int) {
	small := b.flag()
	length := func() int {
		if small {
			return (b.take(5) + 1) * 8
		}
		return b.take([]int{9, 13, 18, 30}[b.take(2)]) + 1
	}
	height = length()
	if ratio := b.take(3); ratio > 0 {
		return height * jxlRatios[ratio-1][0] / jxlRatios[ratio-1][1], height
	}
	return length(), height
}

// jxlMetadata has the fields of the image metadata that guard uses.
type jxlMetadata struct {
	orientation int // EXIF's numbers
	alpha       bool
	// premultiplied means that colours are multiplied by alpha.
	premultiplied bool
	animated      bool
	deep          bool // samples have more than 8 bits
	// inks means that extra channels hold spot colours or black.
	inks bool
	// black means that an extra channel holds black: the colours are cyan, magenta and yellow.
	black bool
}

func (b *bitReader) jxlMetadata() jxlMetadata {
	m := jxlMetadata{orientation: 1}
	if b.flag() { // all fields have default values
		return m
	}
	if b.flag() { // rare fields follow
		m.orientation = b.take(3) + 1
		if b.flag() {
			b.jxlSize() // the intrinsic size, for display
		}
		if b.flag() {
			b.skipJXLPreview()
		}
		if b.flag() {
			m.animated = true
			b.skipJXLAnimation()
		}
	}
	m.deep = b.jxlDepth() > 8
	b.take(1) // a flag: buffers of 16 bits suffice
	channels := b.number([4]int{0, 1, 2, 1}, [4]int{0, 0, 4, 12})
	for range channels {
		if b.short() {
			break
		}
		b.jxlChannel(&m)
	}
	return m
}

// These types of extra channels change the picture.
const (
	jxlAlpha = 0
	jxlSpot  = 2
	jxlBlack = 4
)

// jxlChannel reads an extra channel. The colours are premultiplied if any alpha channel says so.
func (b *bitReader) jxlChannel(m *jxlMetadata) {
	if b.flag() { // all fields have default values
		m.alpha = true
		return
	}
	kind := b.number([4]int{0, 1, 2, 18}, [4]int{0, 0, 4, 6})
	m.deep = b.jxlDepth() > 8 || m.deep
	b.number([4]int{0, 3, 4, 1}, [4]int{0, 0, 0, 3})                // the subsampling
	b.at += 8 * b.number([4]int{0, 0, 16, 48}, [4]int{0, 4, 5, 10}) // the channel's name
	switch kind {
	case jxlAlpha:
		m.premultiplied = b.flag() || m.premultiplied && m.alpha
		m.alpha = true
	case jxlSpot: // four numbers of 16 bits
		b.at += 64
		m.inks = true
	case jxlBlack:
		m.inks, m.black = true, true
	case 5: // a colour filter array
		b.number([4]int{1, 0, 3, 19}, [4]int{0, 2, 4, 8})
	}
}

// jxlDepth returns the bits of a sample.
func (b *bitReader) jxlDepth() (bits int) {
	if b.flag() { // floating point
		bits = b.number([4]int{32, 16, 24, 1}, [4]int{0, 0, 0, 6})
		b.take(4) // the bits of the exponent, less 1
		return bits
	}
	return b.number([4]int{8, 10, 12, 1}, [4]int{0, 0, 0, 6})
}

func (b *bitReader) skipJXLPreview() {
	eighths := b.flag()
	length := func() {
		if eighths {
			b.number([4]int{16, 32, 1, 33}, [4]int{0, 0, 5, 9})
		} else {
			b.number([4]int{1, 65, 321, 1345}, [4]int{6, 8, 10, 12})
		}
	}
	length()
	if b.take(3) == 0 {
		length()
	}
}

func (b *bitReader) skipJXLAnimation() {
	b.number([4]int{100, 1000, 1, 1}, [4]int{0, 0, 10, 30})
	b.number([4]int{1, 1001, 1, 1}, [4]int{0, 0, 8, 10})
	b.number([4]int{0, 0, 0, 0}, [4]int{0, 3, 16, 32})
	b.take(1)
}

// bitReader reads bits from the least significant bit on. Bits behind the end are zeros.
type bitReader struct {
	rest []byte
	at   int
}

func (b *bitReader) take(n int) (value int) {
	for i := range n {
		if at := b.at + i; at/8 < len(b.rest) {
			value |= int(b.rest[at/8]>>(at%8)&1) << i
		}
	}
	b.at += n
	return value
}

func (b *bitReader) flag() bool { return b.take(1) == 1 }

// number reads a U32: two bits choose the least value and the number of bits that follow.
func (b *bitReader) number(least, bits [4]int) int {
	choice := b.take(2)
	return least[choice] + b.take(bits[choice])
}

// short reports whether bits behind the end were read.
func (b *bitReader) short() bool { return b.at > 8*len(b.rest) }
