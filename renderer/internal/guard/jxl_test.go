package guard

import (
	"encoding/binary"
	"testing"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// bitWriter writes bits in the order in which bitReader reads them.
type bitWriter struct {
	out []byte
	n   int
}

func (b *bitWriter) put(value, bits int) *bitWriter {
	for i := range bits {
		if b.n%8 == 0 {
			b.out = append(b.out, 0)
		}
		b.out[b.n/8] |= byte(value>>i&1) << (b.n % 8)
		b.n++
	}
	return b
}

// jxlStream returns a code stream of 300 × 200 pixels up to its metadata.
func jxlStream() *bitWriter {
	b := &bitWriter{out: []byte("\xff\x0a"), n: 16}
	b.put(0, 1).put(0, 2).put(199, 9) // height
	return b.put(3+1, 3).put(0, 0)    // width : height is 3 : 2
}

func TestJXLMetadata(t *testing.T) {
	plain := func(b *bitWriter) *bitWriter { return b.put(0, 1).put(0, 2).put(1, 1) } // 8 bits
	turned := func() *bitWriter { return jxlStream().put(0, 1).put(1, 1).put(5, 3) }
	for name, c := range map[string]struct {
		stream      *bitWriter
		orientation int
		alpha       bool
	}{
		"all default": {jxlStream().put(1, 1), 1, false},
		"no channels": {plain(jxlStream().put(0, 2)).put(0, 2), 1, false},
		"alpha":       {plain(jxlStream().put(0, 2)).put(1, 2).put(1, 1), 1, true},
		"depth":       {plain(plain(jxlStream().put(0, 2)).put(1, 2).put(0, 1).put(1, 2)).put(0, 4), 1, false},
		"a spot colour with a name, then alpha": {plain(jxlStream().put(0, 2)).put(2, 2).put(0, 4).
			put(0, 1).put(2, 2).put(0, 4).put(0, 3).put(0, 2).put(1, 2).put(3, 4).put(0, 24).put(0, 64).put(1, 1), 1, true},
		"turned":             {plain(turned().put(0, 3)).put(0, 2), 6, false},
		"turned, animation":  {plain(turned().put(4, 3).put(0, 2).put(0, 2).put(0, 2).put(0, 1)).put(1, 2).put(1, 1), 6, true},
		"turned, shown at 8": {plain(turned().put(1, 1).put(1, 1).put(0, 5).put(1, 3).put(0, 2)).put(1, 2).put(1, 1), 6, true},
		"a preview":          {plain(turned().put(2, 2).put(1, 1).put(0, 2).put(1, 3).put(0, 1)).put(1, 2).put(1, 1), 6, true},
	} {
		body := append(c.stream.out, make([]byte, 16)...)
		h, err := inspect(body, thumbnail.TypeJXL)
		if err != nil || h.Width != 300 || h.Height != 200 || h.Orientation != c.orientation || h.Alpha != c.alpha {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}

// TestJXLInParts cuts a code stream into two boxes, as cjxl does if it converts a JPEG.
func TestJXLInParts(t *testing.T) {
	stream := append(jxlStream().put(1, 1).out, make([]byte, 30)...)
	for _, cut := range []int{0, 1, 2, 3, 4, 20} {
		body := []byte("\x00\x00\x00\x0cJXL \r\n\x87\n\x00\x00\x00\x14ftypjxl \x00\x00\x00\x00jxl ")
		for number, part := range [][]byte{stream[:cut], stream[cut:]} {
			body = binary.BigEndian.AppendUint32(body, uint32(12+len(part)))
			body = binary.BigEndian.AppendUint32(append(body, "jxlp"...), uint32(number))
			body = append(append(body, part...), "\x00\x00\x00\x08jbrd"...)
		}
		if h, err := inspect(body, thumbnail.TypeJXL); err != nil || h.Width != 300 || h.Height != 200 {
			t.Errorf("cut after %d bytes: %+v, %v", cut, h, err)
		}
	}
}

// A channel of black means colours of inks; a spot colour does not.
func TestJXLInks(t *testing.T) {
	for kind, inks := range map[int]bool{jxlBlack: true, jxlSpot: false} {
		b := jxlStream().put(0, 2).put(0, 1).put(0, 2).put(1, 1) // 8 bits
		b.put(1, 2).put(0, 1)                                    // one channel, not the default
		if kind == jxlBlack {
			b.put(2, 2).put(kind-2, 4)
		} else {
			b.put(2, 2).put(0, 4)
		}
		b.put(0, 1).put(0, 2).put(0, 2).put(0, 2) // 8 bits, whole, no name
		h, err := inspect(append(b.out, make([]byte, 16)...), thumbnail.TypeJXL)
		if err != nil || h.Inks != inks || !h.ByTool {
			t.Errorf("channel %d: %+v, %v", kind, h, err)
		}
	}
}
