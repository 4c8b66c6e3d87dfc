package guard

import (
	"bufio"
	"encoding/binary"
	"image"
	"io"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// The disposal methods remove a GIF's frame before the next frame (GIF89a, 23.c.iv).
const (
	disposeClear    = 2
	disposePrevious = 3
)

// readGIF walks the blocks and counts frames; it skips pixels. A pixel that no frame covers is
// transparent; the background colour of the file does not count.
func readGIF(r *io.SectionReader) (Header, error) {
	in := bufio.NewReaderSize(io.LimitReader(r, maxWalked), 64<<10)
	var b [13]byte
	if _, err := io.ReadFull(in, b[:]); err != nil {
		return Header{}, err
	}
	h := Header{
		Type:  thumbnail.TypeGIF,
		Width: int(binary.LittleEndian.Uint16(b[6:])), Height: int(binary.LittleEndian.Uint16(b[8:])),
		Whole: true, Indexed: true,
	}
	g := gif{in: in}
	g.skipColours(b[10])
	for g.err == nil && h.Frames < maxFrames {
		switch g.byte() {
		case 0x21: // an extension
			g.extension(&h)
		case 0x2c:
			g.frame(&h)
		default: // the trailer, or an unknown block
			return h, nil
		}
	}
	return h, nil // the decoder refuses the GIF if it lacks frames
}

// gif walks through the blocks of a GIF, and keeps the first error.
type gif struct {
	in      *bufio.Reader
	err     error
	dispose byte            // the next frame's disposal method
	cleared image.Rectangle // the area that the previous frame leaves transparent
}

// extension reads a graphic control extension, and skips all other extensions.
func (g *gif) extension(h *Header) {
	if g.byte() == 0xf9 {
		size := g.byte()
		flags := g.byte()
		h.Alpha = flags&1 != 0 || h.Alpha
		g.dispose = flags >> 2 & 7
		g.skip(int(size) - 1)
	}
	g.skipBlocks()
}

// frame skips a frame's pixels. The first frame can enlarge the screen, as in browsers; the
// screen clips later frames.
func (g *gif) frame(h *Header) {
	at := g.rectangle()
	if g.err == nil {
		g.place(h, at)
	}
	g.skipColours(g.byte())
	g.skip(1)
	g.skipBlocks()
}

func (g *gif) place(h *Header, at image.Rectangle) {
	if h.Frames == 0 {
		h.Width, h.Height = max(h.Width, at.Max.X), max(h.Height, at.Max.Y)
		g.cleared = image.Rect(0, 0, h.Width, h.Height)
	}
	screen := image.Rect(0, 0, h.Width, h.Height)
	h.Frames++
	h.Beyond = h.Beyond || !at.In(screen)
	h.Alpha = h.Alpha || !g.cleared.In(at)
	g.cleared = image.Rectangle{}
	if g.dispose == disposeClear || g.dispose == disposePrevious && h.Frames == 1 {
		g.cleared = at.Intersect(screen)
	}
	g.dispose = 0
}

func (g *gif) rectangle() image.Rectangle {
	var b [8]byte
	if g.err == nil {
		_, g.err = io.ReadFull(g.in, b[:])
	}
	number := func(at int) int { return int(binary.LittleEndian.Uint16(b[at:])) }
	return image.Rect(number(0), number(2), number(0)+number(4), number(2)+number(6))
}

func (g *gif) byte() byte {
	if g.err != nil {
		return 0
	}
	var b byte
	b, g.err = g.in.ReadByte()
	return b
}

func (g *gif) skip(n int) {
	if g.err == nil && n > 0 {
		_, g.err = g.in.Discard(n)
	}
}

// skipColours skips a colour table, if the flags announce one.
func (g *gif) skipColours(flags byte) {
	if flags&0x80 != 0 {
		g.skip(3 << (flags&7 + 1))
	}
}

func (g *gif) skipBlocks() {
	for g.err == nil {
		n := g.byte()
		if n == 0 {
			return
		}
		g.skip(int(n))
	}
}
