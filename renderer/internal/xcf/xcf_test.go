package xcf

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// sheet is a layer of one colour in a test's file.
type sheet struct {
	width, height int
	pixel         []byte // one pixel in the file's format
	kind          uint32
	properties    []byte
	mask          []byte // one sample of the mask
}

// document is a test's XCF.
type document struct {
	version, width, height int
	base, precision        uint32
	compression            byte
	properties             []byte
	sheets                 []sheet
}

func numbers(all ...int) (b []byte) {
	for _, n := range all {
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	return b
}

func property(kind int, payload ...int) []byte {
	return append(numbers(kind, 4*len(payload)), numbers(payload...)...)
}

func offsets(x, y int) []byte   { return property(propOffsets, x, y) }
func modeNumber(n int) []byte   { return property(propMode, n) }
func opacity(of255 int) []byte  { return property(propOpacity, of255) }
func join(b ...[]byte) []byte   { return bytes.Join(b, nil) }
func group(path ...int) []byte  { return join(property(propGroupItem), property(propItemPath, path...)) }
func inside(path ...int) []byte { return property(propItemPath, path...) }

func (d document) pointer(b []byte, at int) []byte {
	if d.version >= versionWide {
		return binary.BigEndian.AppendUint64(b, uint64(at))
	}
	return binary.BigEndian.AppendUint32(b, uint32(at))
}

func (d document) pointerSize() int { return len(d.pointer(nil, 0)) }

// file returns the document's bytes: its head, then each layer with its tiles.
func (d document) file() []byte {
	tag := "file"
	if d.version > 0 {
		tag = fmt.Sprintf("v%03d", d.version)
	}
	b := join([]byte("gimp xcf "+tag+"\x00"), numbers(d.width, d.height, int(d.base)))
	if d.version >= versionPrecision {
		b = append(b, numbers(int(d.precision))...)
	}
	b = join(b, numbers(propCompression, 1), []byte{d.compression}, d.properties, numbers(0, 0))
	at := len(b) + (len(d.sheets)+2)*d.pointerSize()
	var parts []byte
	for _, s := range d.sheets {
		b = d.pointer(b, at+len(parts))
		parts = append(parts, d.layer(s, at+len(parts))...)
	}
	return join(d.pointer(d.pointer(b, 0), 0), parts)
}

func (d document) layer(s sheet, at int) []byte {
	b := join(numbers(s.width, s.height, int(s.kind), 0), s.properties, numbers(0, 0))
	after := at + len(b) + 2*d.pointerSize()
	if d.version >= versionEffects {
		after += d.pointerSize()
	}
	pixels := d.pixels(s.width, s.height, s.pixel, after)
	b = d.pointer(b, after)
	mask := 0
	if s.mask != nil {
		mask = after + len(pixels)
	}
	b = d.pointer(b, mask)
	if d.version >= versionEffects {
		b = d.pointer(b, 0)
	}
	b = append(b, pixels...)
	if s.mask != nil {
		head := numbers(s.width, s.height, 0, 0, 0)
		b = d.pointer(append(b, head...), mask+len(head)+d.pointerSize())
		b = append(b, d.pixels(s.width, s.height, s.mask, mask+len(head)+d.pointerSize())...)
	}
	return b
}

// pixels returns a hierarchy and its level; all tiles of one size are equal.
func (d document) pixels(width, height int, pixel []byte, at int) []byte {
	level := at + 12 + 2*d.pointerSize()
	b := d.pointer(d.pointer(numbers(width, height, len(pixel)), level), 0)
	b = append(b, numbers(width, height)...)
	columns, rows := (width+63)/64, (height+63)/64
	tiles := level + 8 + (columns*rows+1)*d.pointerSize()
	var data []byte
	for i := range columns * rows {
		b = d.pointer(b, tiles+len(data))
		data = append(data, d.tile(min(64, width-i%columns*64)*min(64, height-i/columns*64), pixel)...)
	}
	return append(d.pointer(b, 0), data...)
}

func (d document) tile(n int, pixel []byte) (b []byte) {
	switch d.compression {
	case 0:
		return bytes.Repeat(pixel, n)
	case 2:
		var packed bytes.Buffer
		z := zlib.NewWriter(&packed)
		_, _ = z.Write(bytes.Repeat(pixel, n))
		_ = z.Close()
		return packed.Bytes()
	}
	for _, v := range pixel { // one single pixel, then a long run
		b = append(b, 255, v)
		if n > 1 {
			b = append(b, 127, byte((n-1)>>8), byte(n-1), v)
		}
	}
	return b
}

func draw(t *testing.T, file []byte) image.Image {
	t.Helper()
	m, err := Open(bytes.NewReader(file), int64(len(file)), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Draw()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func near(a, b color.NRGBA, by int) bool {
	for _, pair := range [][2]uint8{{a.R, b.R}, {a.G, b.G}, {a.B, b.B}, {a.A, b.A}} {
		if d := int(pair[0]) - int(pair[1]); d > by || d < -by {
			return false
		}
	}
	return true
}

const rgb, rgba = 0, 1

func opaque(pixel ...byte) sheet { return sheet{8, 8, pixel, rgb, nil, nil} }

func clear8(properties []byte, pixel ...byte) sheet {
	return sheet{8, 8, pixel, rgba, properties, nil}
}

// Each case composes two layers in another way.
func TestStacks(t *testing.T) {
	below := opaque(200, 100, 50)
	for name, c := range map[string]struct {
		sheets []sheet // the top layer first
		want   color.NRGBA
	}{
		"one layer":                         {[]sheet{below}, color.NRGBA{200, 100, 50, 255}},
		"half, as before 2.10":              {[]sheet{clear8(modeNumber(0), 0, 0, 255, 128), below}, color.NRGBA{100, 50, 153, 255}},
		"half, in linear light":             {[]sheet{clear8(modeNumber(28), 0, 0, 255, 128), below}, color.NRGBA{146, 71, 190, 255}},
		"opacity":                           {[]sheet{clear8(join(modeNumber(0), opacity(51)), 0, 0, 0, 255), below}, color.NRGBA{160, 80, 40, 255}},
		"a hidden layer":                    {[]sheet{clear8(property(propVisible, 0), 0, 0, 0, 255), below}, color.NRGBA{200, 100, 50, 255}},
		"multiply, as before 2.10":          {[]sheet{clear8(modeNumber(3), 128, 128, 128, 255), below}, color.NRGBA{100, 50, 25, 255}},
		"difference, as before 2.10":        {[]sheet{clear8(modeNumber(6), 255, 0, 50, 255), below}, color.NRGBA{55, 100, 0, 255}},
		"addition, as before 2.10":          {[]sheet{clear8(modeNumber(7), 100, 100, 100, 255), below}, color.NRGBA{255, 200, 150, 255}},
		"screen":                            {[]sheet{clear8(modeNumber(31), 128, 128, 128, 255), below}, color.NRGBA{228, 178, 153, 255}},
		"erase":                             {[]sheet{clear8(join(modeNumber(58), opacity(51)), 0, 0, 0, 255), below}, color.NRGBA{200, 100, 50, 204}},
		"the lowest layer ignores its mode": {[]sheet{clear8(modeNumber(3), 9, 8, 7, 255)}, color.NRGBA{9, 8, 7, 255}},
		"clipped to the layer":              {[]sheet{clear8(join(modeNumber(28), property(propCompositeMode, clipToLayer)), 1, 2, 3, 0), below}, color.NRGBA{1, 2, 3, 0}},
		"normal in the perceptual space":    {[]sheet{clear8(join(modeNumber(28), property(propCompositeSpace, int(perceptual))), 0, 0, 255, 128), below}, color.NRGBA{100, 50, 153, 255}},
		"a layer outside the canvas":        {[]sheet{clear8(offsets(-8, 0), 0, 0, 0, 255), below}, color.NRGBA{200, 100, 50, 255}},
		"a mask":                            {[]sheet{{8, 8, []byte{0, 0, 0}, rgb, modeNumber(0), []byte{128}}, below}, color.NRGBA{100, 50, 25, 255}},
		"an ignored mask":                   {[]sheet{{8, 8, []byte{0, 0, 9}, rgb, property(propApplyMask, 0), []byte{128}}, below}, color.NRGBA{0, 0, 9, 255}},
		"a mask shown alone":                {[]sheet{{8, 8, []byte{0, 0, 9}, rgb, property(propShowMask, 1), []byte{255}}, below}, color.NRGBA{255, 255, 255, 255}},
		"a group at half opacity": {[]sheet{
			{8, 8, []byte{0, 0, 0, 0}, rgba, join(group(0), modeNumber(0), opacity(51)), nil},
			clear8(join(modeNumber(0), inside(0, 0)), 0, 0, 0, 255), {8, 8, below.pixel, rgb, inside(1), nil},
		}, color.NRGBA{160, 80, 40, 255}},
		"a pass-through group": {[]sheet{
			{8, 8, []byte{0, 0, 0, 0}, rgba, join(group(0), modeNumber(61)), nil},
			clear8(join(modeNumber(3), inside(0, 0)), 128, 128, 128, 255), {8, 8, below.pixel, rgb, inside(1), nil},
		}, color.NRGBA{100, 50, 25, 255}},
		"a group that blends alone": {[]sheet{
			{8, 8, []byte{0, 0, 0, 0}, rgba, join(group(0), modeNumber(28)), nil},
			clear8(join(modeNumber(3), inside(0, 0)), 128, 128, 128, 255), {8, 8, below.pixel, rgb, inside(1), nil},
		}, color.NRGBA{128, 128, 128, 255}},
	} {
		t.Run(name, func(t *testing.T) {
			p := draw(t, document{version: 12, precision: 150, width: 8, height: 8, compression: 1, sheets: c.sheets}.file())
			if got := p.At(7, 7).(color.NRGBA); !near(got, c.want, 1) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// Each case stores the colour (51, 102, 204) in another way, in tiles of all sizes.
func TestPrecisions(t *testing.T) {
	curves := newCurves()
	for name, c := range map[string]struct {
		version   int
		precision uint32
		store     func(v float32) []byte
	}{
		"version 0":              {0, 0, func(v float32) []byte { return []byte{byte(v*255 + 0.5)} }},
		"version 11":             {11, 150, func(v float32) []byte { return []byte{byte(v*255 + 0.5)} }},
		"16 bits":                {12, 250, func(v float32) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v*65535)) }},
		"16 bits, linear":        {12, 200, func(v float32) []byte { return binary.BigEndian.AppendUint16(nil, uint16(curves.linear(v)*65535)) }},
		"16 bits, little-endian": {7, 250, func(v float32) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(v*65535)) }},
		"32 bits":                {12, 350, func(v float32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(float64(v)*math.MaxUint32)) }},
		"single, linear":         {12, 600, func(v float32) []byte { return binary.BigEndian.AppendUint32(nil, math.Float32bits(curves.linear(v))) }},
		"double":                 {21, 750, func(v float32) []byte { return binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(v))) }},
		"a development version": {4, 4, func(v float32) []byte {
			return binary.LittleEndian.AppendUint32(nil, math.Float32bits(curves.linear(v)))
		}},
		"another development version": {5, 550, func(v float32) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)) }},
	} {
		for compression := range byte(3) {
			t.Run(fmt.Sprint(name, compression), func(t *testing.T) {
				pixel := join(c.store(0.2), c.store(0.4), c.store(0.8))
				d := document{version: c.version, precision: c.precision, width: 130, height: 70, compression: compression, sheets: []sheet{{130, 70, pixel, rgb, nil, nil}}}
				p := draw(t, d.file())
				for _, at := range []image.Point{{0, 0}, {129, 69}, {64, 64}} {
					if got := p.At(at.X, at.Y).(color.NRGBA); !near(got, color.NRGBA{51, 102, 204, 255}, 1) {
						t.Errorf("%v at %v", got, at)
					}
				}
			})
		}
	}
}

func TestColoursOfAPalette(t *testing.T) {
	// GIMP once wrote this length of the property, which is too short.
	palette := join(numbers(propColormap, 6), numbers(2), []byte{1, 2, 3, 40, 50, 60})
	d := document{version: 1, base: 2, width: 8, height: 8, properties: palette, sheets: []sheet{{8, 8, []byte{1}, 4, nil, nil}}}
	if got := draw(t, d.file()).At(0, 0).(color.NRGBA); got != (color.NRGBA{40, 50, 60, 255}) {
		t.Errorf("%v", got)
	}
}

func TestHalf(t *testing.T) {
	for bits, want := range map[uint16]float32{0: 0, 0x3c00: 1, 0xc000: -2, 0x3555: 0.33325195, 1: 5.9604645e-8} {
		if got := halfFloat(bits); got != want {
			t.Errorf("%x is %v, want %v", bits, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	good := document{version: 12, precision: 150, width: 8, height: 8, sheets: []sheet{opaque(1, 2, 3)}}.file()
	cinepaint := append([]byte("gimp xcf v100"), good[13:]...)
	precise := bytes.Clone(good)
	precise[29] = 99
	wide := document{version: 3, width: 2000, height: 2000, sheets: []sheet{opaque(1, 2, 3)}}.file()
	for name, c := range map[string]struct {
		file []byte
		want fault.Kind
	}{
		"a cut head":               {good[:60], fault.Undecodable},
		"CinePaint's format":       {cinepaint, fault.Unsupported},
		"an unknown precision":     {precise, fault.Unsupported},
		"a canvas above the limit": {wide, fault.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Open(bytes.NewReader(c.file), int64(len(c.file)), 1<<20); !fault.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// bound limits the work for a file that names one large layer many times.
func TestWorkIsBounded(t *testing.T) {
	m := &Image{Width: 10_000, Height: 10_000}
	for range 100 {
		m.layers = append(m.layers, &layer{width: 10_000, height: 10_000})
	}
	if err := m.bound(); !fault.Is(err, fault.TooLarge) {
		t.Errorf("%v", err)
	}
}

func FuzzDraw(f *testing.F) {
	sheets := []sheet{{8, 8, []byte{1, 2, 3, 0}, rgba, join(group(0), modeNumber(61)), nil}, {9, 9, []byte{1, 2, 3, 4}, rgba, inside(0, 0), []byte{3}}, opaque(1, 2, 3)}
	for compression := range byte(3) {
		f.Add(document{version: 12, precision: 150, width: 8, height: 8, compression: compression, sheets: sheets}.file())
		f.Add(document{version: 3, width: 70, height: 8, compression: compression, sheets: sheets}.file())
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := Open(bytes.NewReader(file), int64(len(file)), 10_000)
		if err != nil || len(m.layers) > 50 {
			return
		}
		if p, err := m.Draw(); err == nil && (p.Bounds().Dx() != m.Width || p.Bounds().Dy() != m.Height) {
			t.Errorf("the picture has bounds %v, want %d × %d", p.Bounds(), m.Width, m.Height)
		}
	})
}
