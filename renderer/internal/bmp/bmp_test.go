package bmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// file is a bitmap of a test.
type file struct {
	header      int // bytes
	width       int32
	height      int32 // negative: from the top
	bits        int
	compression uint32
	masks       []uint32
	palette     []uint32 // 0xRRGGBB
	pixels      string
}

func (f file) bytes() []byte {
	le := binary.LittleEndian
	h := make([]byte, max(f.header, 40+4*len(f.masks)))
	le.PutUint32(h, uint32(f.header))
	if f.header == oldHeader {
		h = h[:oldHeader]
		for i, v := range []int{int(f.width), int(f.height), 1, f.bits} {
			le.PutUint16(h[4+2*i:], uint16(v))
		}
	} else {
		le.PutUint32(h[4:], uint32(f.width))
		le.PutUint32(h[8:], uint32(f.height))
		le.PutUint16(h[12:], 1)
		le.PutUint16(h[14:], uint16(f.bits))
		le.PutUint32(h[16:], f.compression)
		le.PutUint32(h[32:], uint32(len(f.palette)))
		for i, m := range f.masks {
			le.PutUint32(h[40+4*i:], m)
		}
	}
	for _, c := range f.palette {
		h = append(h, byte(c), byte(c>>8), byte(c>>16))
		if f.header != oldHeader {
			h = append(h, 0)
		}
	}
	head := append([]byte("BM"), make([]byte, 12)...)
	le.PutUint32(head[10:], uint32(len(head)+len(h)))
	return append(append(head, h...), f.pixels...)
}

func draw(body []byte, maxPixels int64) (*Picture, []byte, error) {
	p, err := Open(bytes.NewReader(body), int64(len(body)), maxPixels)
	if err != nil {
		return nil, nil, err
	}
	var out bytes.Buffer
	err = p.Write(&out)
	return p, out.Bytes(), err
}

const red, green, blue, black = "\xff\x00\x00", "\x00\xff\x00", "\x00\x00\xff", "\x00\x00\x00"

// Each file has the pixels that browsers show.
func TestVariants(t *testing.T) {
	primary := []uint32{0xff0000, 0x00ff00, 0x0000ff}
	rgb := []uint32{0xff0000, 0xff00, 0xff}
	for name, c := range map[string]struct {
		file file
		want string
	}{
		"24 bits, from the bottom":        {file{header: 40, width: 1, height: 2, bits: 24, pixels: "\x00\x00\xff\x00" + "\x00\xff\x00\x00"}, green + red},
		"24 bits, from the top":           {file{header: 40, width: 1, height: -2, bits: 24, pixels: "\x00\x00\xff\x00" + "\x00\xff\x00\x00"}, red + green},
		"OS/2 with 8 bits":                {file{header: 12, width: 3, height: 1, bits: 8, palette: primary, pixels: "\x02\x01\x00\x00"}, blue + green + red},
		"OS/2 2.x, short":                 {file{header: 16, width: 1, height: 1, bits: 24, pixels: "\x00\x00\xff\x00"}, red},
		"4 bits":                          {file{header: 40, width: 3, height: 1, bits: 4, palette: primary, pixels: "\x01\x20\x00\x00"}, red + green + blue},
		"2 bits":                          {file{header: 40, width: 3, height: 1, bits: 2, palette: primary, pixels: "\x18\x00\x00\x00"}, red + green + blue},
		"1 bit":                           {file{header: 40, width: 3, height: 1, bits: 1, palette: primary[:2], pixels: "\x40\x00\x00\x00"}, red + green + red},
		"a colour beyond the palette":     {file{header: 40, width: 2, height: 1, bits: 8, palette: primary, pixels: "\x00\x07\x00\x00"}, red + black},
		"16 bits, 5-5-5":                  {file{header: 40, width: 2, height: 1, bits: 16, pixels: "\x00\x7c\xe0\x03"}, red + green},
		"16 bits, 5-6-5":                  {file{header: 40, width: 2, height: 1, bits: 16, compression: bitFields, masks: []uint32{0xf800, 0x7e0, 0x1f}, pixels: "\x00\xf8\xe0\x07"}, red + green},
		"32 bits, the fourth means none":  {file{header: 40, width: 1, height: 1, bits: 32, pixels: "\x00\x00\xff\x40"}, red},
		"32 bits, odd masks":              {file{header: 40, width: 1, height: 1, bits: 32, compression: bitFields, masks: []uint32{0x7ff, 0x1ff800, 0x7fe00000}, pixels: "\xff\x07\x00\x00"}, red},
		"alpha in version 4":              {file{header: 108, width: 1, height: 1, bits: 32, compression: bitFields, masks: append(rgb, 0xff000000), pixels: "\x00\x00\xff\x40"}, red + "\x40"},
		"alpha of zeros alone":            {file{header: 108, width: 1, height: 1, bits: 32, compression: bitFields, masks: append(rgb, 0xff000000), pixels: "\x00\x00\xff\x00"}, red},
		"alpha by its compression":        {file{header: 40, width: 1, height: 1, bits: 32, compression: alphaField, masks: append(rgb, 0xff000000), pixels: "\x00\x00\xff\x40"}, red + "\x40"},
		"run lengths of 8 bits":           {file{header: 40, width: 3, height: 2, bits: 8, compression: rle8, palette: primary, pixels: "\x03\x01\x00\x00\x00\x03\x02\x01\x00\x00\x00\x01"}, blue + green + red + green + green + green},
		"run lengths of 4 bits":           {file{header: 40, width: 4, height: 1, bits: 4, compression: rle4, palette: primary, pixels: "\x04\x12\x00\x01"}, green + blue + green + blue},
		"literals of 4 bits":              {file{header: 40, width: 3, height: 1, bits: 4, compression: rle4, palette: primary, pixels: "\x00\x03\x01\x20\x00\x01"}, red + green + blue},
		"a move over pixels":              {file{header: 40, width: 3, height: 1, bits: 8, compression: rle8, palette: primary, pixels: "\x01\x01\x00\x02\x01\x00\x01\x02\x00\x01"}, green + black + blue},
		"run lengths that end early":      {file{header: 40, width: 3, height: 1, bits: 8, compression: rle8, palette: primary, pixels: "\x02\x01"}, green + green + black},
		"run lengths beyond the last row": {file{header: 40, width: 2, height: 1, bits: 8, compression: rle8, palette: primary, pixels: "\x09\x01\x00\x00\x09\x02\x00\x00"}, green + green},
		"run lengths of 24 bits":          {file{header: 64, width: 2, height: 1, bits: 24, compression: rle24, pixels: "\x02\x00\x00\xff\x00\x01"}, red + red},
	} {
		if p, got, err := draw(c.file.bytes(), 1000); err != nil || string(got) != c.want || p.Alpha != (len(c.want) == 4) {
			t.Errorf("%s: %q, want %q, %v", name, got, c.want, err)
		}
	}
}

// A bitmap of a clipboard has no file header. Some files name their palette instead of their pixels.
func TestOffsets(t *testing.T) {
	indexed := file{header: 40, width: 3, height: 1, bits: 8, palette: []uint32{0xff0000, 0x00ff00, 0x0000ff}, pixels: "\x02\x01\x00\x00"}.bytes()
	masked := file{header: 40, width: 1, height: 1, bits: 32, compression: bitFields, masks: []uint32{0xff0000, 0xff00, 0xff}, pixels: "\x00\x00\xff\x40"}.bytes()
	early := bytes.Clone(indexed)
	binary.LittleEndian.PutUint32(early[10:], fileHeader+40)
	for name, c := range map[string]struct{ body, want string }{
		"no file header":                {string(indexed[fileHeader:]), blue + green + red},
		"no file header, with masks":    {string(masked[fileHeader:]), red},
		"the offset names the palette":  {string(early), blue + green + red},
		"the same, without all pixels":  {string(early[:len(early)-1]), black},
		"the offset names no place yet": {"BM" + string(make([]byte, 12)) + string(indexed[fileHeader:]), blue + green + red},
	} {
		if _, got, err := draw([]byte(c.body), 1000); err != nil || !strings.HasPrefix(string(got), c.want) {
			t.Errorf("%s: %q, want %q, %v", name, got, c.want, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		file file
		kind fault.Kind
	}{
		"no width":              {file{header: 40, height: 1, bits: 24, pixels: "1234"}, fault.Undecodable},
		"too many pixels":       {file{header: 40, width: 100, height: 100, bits: 1, pixels: strings.Repeat("1", 1600)}, fault.TooLarge},
		"a JPEG inside":         {file{header: 40, width: 1, height: 1, bits: 0, compression: 4, pixels: "1234"}, fault.Undecodable},
		"an unknown depth":      {file{header: 40, width: 1, height: 1, bits: 7, pixels: "1234"}, fault.Undecodable},
		"no last row":           {file{header: 40, width: 1, height: 2, bits: 24, pixels: "1234"}, fault.Undecodable},
		"a size of all numbers": {file{header: 40, width: 1 << 30, height: -1 << 31, bits: 24, pixels: "1234"}, fault.TooLarge},
	} {
		if _, _, err := draw(c.file.bytes(), 1000); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Files that ImageMagick writes have the pixels that ImageMagick reads.
func TestBesideImageMagick(t *testing.T) {
	convert, err := exec.LookPath("convert")
	if err != nil {
		t.Skip("ImageMagick is not installed: run `make deps`")
	}
	for name, args := range map[string][]string{
		"version 4":         {"bmp:-"},
		"version 3":         {"bmp3:-"},
		"with a palette":    {"-colors", "200", "-type", "Palette", "bmp3:-"},
		"black and white":   {"-monochrome", "bmp3:-"},
		"with run lengths":  {"-colors", "9", "-type", "Palette", "-compress", "RLE", "bmp3:-"},
		"version 2 of OS/2": {"-type", "TrueColor", "bmp2:-"},
	} {
		body, err := exec.Command(convert, append([]string{"rose:"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		read := exec.Command(convert, "bmp:-", "-depth", "8", "rgb:-")
		read.Stdin = bytes.NewReader(body)
		want, err := read.Output()
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := draw(body, 1<<20); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v; %d bytes, want %d", name, err, len(got), len(want))
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(file{header: 40, width: 3, height: 1, bits: 8, compression: rle8, palette: []uint32{1, 2}, pixels: "\x01\x01\x00\x02\x01\x00\x01\x02\x00\x01"}.bytes())
	f.Add(file{header: 108, width: 1, height: -1, bits: 16, compression: bitFields, masks: []uint32{0xf00, 0xf0, 0xf, 0xf000}, pixels: "1234"}.bytes())
	f.Add(file{header: 12, width: 2, height: 2, bits: 1, pixels: "12345678"}.bytes())
	f.Fuzz(func(t *testing.T, body []byte) {
		p, got, err := draw(body, 1<<16)
		var known *fault.Fault
		switch {
		case err != nil && !errors.As(err, &known):
			t.Errorf("not a fault: %v", err)
		case err == nil && len(got) != p.Width*p.Height*3 && len(got) != p.Width*p.Height*4:
			t.Errorf("%d bytes of %d × %d pixels", len(got), p.Width, p.Height)
		}
	})
}
