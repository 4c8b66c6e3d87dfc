package psd

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// file returns a PSD of 2 × 1 pixels. Layers are the bytes of their section; rows are the channels, one after the other.
func file(version, channels, depth, mode int, palette, resources, layers []byte, rows ...[]byte) []byte {
	b := append([]byte("8BPS"), 0, byte(version))
	b = append(b, make([]byte, 6)...)
	b = binary.BigEndian.AppendUint16(b, uint16(channels))
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 2, 0, byte(depth), 0, byte(mode))
	for _, section := range [][]byte{palette, resources} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(section))), section...)
	}
	if version == 2 {
		b = append(b, 0, 0, 0, 0)
	}
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(layers))), layers...)
	return append(append(b, 0, 0), bytes.Join(rows, nil)...)
}

func TestRows(t *testing.T) {
	palette := slices.Concat(bytes.Repeat([]byte{10}, 256), bytes.Repeat([]byte{20}, 256), bytes.Repeat([]byte{30}, 256))
	packed := file(1, 1, 8, grey, nil, nil, nil)
	packed = append(packed[:len(packed)-2], 0, 1, 0, 2, 255, 77) // one run of two pixels
	for name, c := range map[string]struct {
		body  []byte
		alpha bool
		want  []byte
	}{
		"RGB":                           {file(1, 3, 8, rgb, nil, nil, nil, []byte{1, 2}, []byte{3, 4}, []byte{5, 6}), false, []byte{1, 3, 5, 255, 2, 4, 6, 255}},
		"a large document":              {file(2, 3, 8, rgb, nil, nil, nil, []byte{1, 2}, []byte{3, 4}, []byte{5, 6}), false, []byte{1, 3, 5, 255, 2, 4, 6, 255}},
		"grey with alpha":               {file(1, 2, 8, grey, nil, nil, nil, []byte{1, 2}, []byte{3, 4}), true, []byte{1, 1, 1, 3, 2, 2, 2, 4}},
		"grey with a selection":         {file(1, 2, 8, grey, nil, nil, nil, []byte{1, 2}, []byte{3, 4}), false, []byte{1, 1, 1, 255, 2, 2, 2, 255}},
		"mixed with white":              {file(1, 2, 8, grey, nil, nil, []byte{0, 0}, []byte{255, 155}, []byte{255, 100}), true, []byte{255, 255, 255, 255, 0, 0, 0, 100}},
		"16 bits":                       {file(1, 1, 16, grey, nil, nil, nil, []byte{0x40, 0x40, 0xff, 0xff}), false, []byte{64, 64, 64, 255, 255, 255, 255, 255}},
		"light":                         {file(1, 1, 32, grey, nil, nil, nil, []byte{0x3f, 0, 0, 0, 0x7f, 0xc0, 0, 0}), false, []byte{188, 188, 188, 255, 0, 0, 0, 255}},
		"bits":                          {file(1, 1, 1, bits, nil, nil, nil, []byte{0x80}), false, []byte{0, 0, 0, 255, 255, 255, 255, 255}},
		"a palette":                     {file(1, 1, 8, indexed, palette, nil, nil, []byte{0, 9}), false, []byte{10, 20, 30, 255, 10, 20, 30, 255}},
		"runs":                          {packed, false, []byte{77, 77, 77, 255, 77, 77, 77, 255}},
		"a channel that is not in file": {file(1, 3, 8, rgb, nil, nil, nil, []byte{1, 2}, []byte{3, 4}), false, []byte{1, 3, 255, 255, 2, 4, 255, 255}},
	} {
		p, err := Open(bytes.NewReader(c.body), int64(len(c.body)), 100, c.alpha)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := p.Row(0); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestProfile(t *testing.T) {
	other := []byte("8BIM\x03\xed\x00\x00\x00\x00\x00\x01x\x00")
	resources := append(other, "8BIM\x04\x0f\x01n\x00\x00\x00\x03abc\x00"...)
	body := file(1, 1, 8, grey, nil, resources, nil, []byte{1, 2})
	p, err := Open(bytes.NewReader(body), int64(len(body)), 100, false)
	if err != nil || string(p.Profile) != "abc" {
		t.Errorf("%v %v", p, err)
	}
}

func TestRefused(t *testing.T) {
	whole := file(1, 3, 8, rgb, nil, nil, nil, []byte{1, 2}, []byte{3, 4}, []byte{5, 6})
	for name, c := range map[string]struct {
		body []byte
		want fault.Kind
	}{
		"inks":              {file(1, 4, 8, 4, nil, nil, nil), fault.Unsupported},
		"32 bits a palette": {file(1, 1, 32, indexed, nil, nil, nil), fault.Unsupported},
		"too few channels":  {file(1, 2, 8, rgb, nil, nil, nil), fault.Undecodable},
		"no palette":        {file(1, 1, 8, indexed, nil, nil, nil, []byte{0, 1}), fault.Undecodable},
		"cut off":           {whole[:30], fault.Undecodable},
		"large":             {append(slices.Clone(whole[:14]), append([]byte{0, 0, 1, 0}, whole[18:]...)...), fault.TooLarge},
	} {
		if _, err := Open(bytes.NewReader(c.body), int64(len(c.body)), 100, false); fault.Of(err).Kind != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(file(1, 3, 8, rgb, nil, nil, nil, []byte{1, 2}, []byte{3, 4}, []byte{5, 6}))
	f.Add(file(2, 2, 16, grey, nil, nil, []byte{0, 0}, []byte{1, 2, 3, 4}))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := Open(bytes.NewReader(body), int64(len(body)), 1000, true)
		if err != nil {
			return
		}
		for y := range p.Height {
			if len(p.Row(y)) != 4*p.Width {
				t.Fatal("a row of another width")
			}
		}
	})
}
