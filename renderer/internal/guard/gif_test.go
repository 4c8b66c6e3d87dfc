package guard

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// gifFrame is a frame of a GIF: at is left, top, width and height; flags are the graphic
// control's flags.
type gifFrame struct {
	at    [4]uint16
	flags byte
}

func gifOf(width, height uint16, all ...gifFrame) []byte {
	b := []byte("GIF89a")
	b = binary.LittleEndian.AppendUint16(b, width)
	b = append(binary.LittleEndian.AppendUint16(b, height), 0x80, 0, 0, 1, 2, 3, 4, 5, 6)
	for _, f := range all {
		b = append(b, 0x21, 0xf9, 4, f.flags, 0, 0, 0, 0, 0x2c)
		for _, n := range f.at {
			b = binary.LittleEndian.AppendUint16(b, n)
		}
		b = append(b, 0, 2, 2, 0x44, 1, 0)
	}
	return append(b, ';')
}

func TestFramesOfAGIF(t *testing.T) {
	whole := [4]uint16{0, 0, 40, 30}
	part := [4]uint16{5, 5, 10, 10}
	const clears, restores, transparent = disposeClear << 2, disposePrevious << 2, 1
	for name, c := range map[string]struct {
		frames        []gifFrame
		alpha, beyond bool
		width, height int
	}{
		"frames cover all":                {[]gifFrame{{whole, 0}, {part, clears}}, false, false, 40, 30},
		"a transparent colour":            {[]gifFrame{{whole, transparent}}, true, false, 40, 30},
		"the first frame covers a part":   {[]gifFrame{{part, 0}, {whole, 0}}, true, false, 40, 30},
		"a cleared area shows":            {[]gifFrame{{whole, clears}, {part, 0}}, true, false, 40, 30},
		"a frame covers the cleared area": {[]gifFrame{{whole, clears}, {whole, 0}}, false, false, 40, 30},
		"the first frame is restored":     {[]gifFrame{{whole, restores}, {part, 0}}, true, false, 40, 30},
		"the first frame is larger":       {[]gifFrame{{[4]uint16{0, 0, 60, 20}, 0}}, true, false, 60, 30},
		"a later frame is larger":         {[]gifFrame{{whole, 0}, {[4]uint16{30, 20, 20, 20}, 0}}, false, true, 40, 30},
	} {
		t.Run(name, func(t *testing.T) {
			body := gifOf(40, 30, c.frames...)
			h, err := Inspect(bytes.NewReader(body), int64(len(body)), thumbnail.TypeGIF, 1<<20)
			if err != nil || h.Frames != len(c.frames) || h.Alpha != c.alpha || h.Beyond != c.beyond || h.Width != c.width || h.Height != c.height {
				t.Errorf("%+v, %v", h, err)
			}
		})
	}
}

// packed returns 32 bytes that hold fields of a value and its number of bits. The first field
// is in the least significant bits.
func packed(fields ...[2]int) []byte {
	b := make([]byte, 32)
	at := 0
	for _, f := range fields {
		for i := range f[1] {
			b[at/8] |= byte(f[0] >> i & 1 << (at % 8))
			at++
		}
	}
	return b
}

func TestAnimatedJXL(t *testing.T) {
	small := [][2]int{{1, 1}, {4, 5}, {1, 3}}                             // 40 × 40
	large := [][2]int{{0, 1}, {1, 2}, {999, 13}, {0, 3}, {0, 2}, {99, 9}} // 100 × 1000
	some, upright, no, yes := [][2]int{{0, 1}, {1, 1}}, [2]int{0, 3}, [2]int{0, 1}, [2]int{1, 1}
	join := func(parts ...[][2]int) (all [][2]int) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for name, c := range map[string]struct {
		fields [][2]int
		want   bool
	}{
		"all default":        {join(small, [][2]int{yes}), false},
		"no rare fields":     {join(small, [][2]int{no, no, yes, yes, yes}), false},
		"a still":            {join(small, some, [][2]int{upright, no, no, no}), false},
		"an animation":       {join(small, some, [][2]int{upright, no, no, yes}), true},
		"two sizes":          {join(large, some, [][2]int{upright, yes}, large, [][2]int{no, yes}), true},
		"with a preview":     {join(large, some, [][2]int{upright, no, yes, no, {1, 2}, {7, 8}, {2, 3}, yes}), true},
		"preview in eighths": {join(small, some, [][2]int{upright, no, yes, yes, {2, 2}, {7, 5}, {0, 3}, {3, 2}, {7, 9}, yes}), true},
	} {
		t.Run(name, func(t *testing.T) {
			body := append([]byte("\xff\x0a"), packed(c.fields...)...)
			h, err := Inspect(bytes.NewReader(body), int64(len(body)), thumbnail.TypeJXL, 1<<20)
			if err != nil || h.ByTool != c.want {
				t.Errorf("%+v, %v", h, err)
			}
		})
	}
}
