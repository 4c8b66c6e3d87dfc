package tools

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// TestBitmaps draws files that ImageMagick wrote, and compares each with the picture that ImageMagick read.
func TestBitmaps(t *testing.T) {
	inks := []string{"-colorspace", "CMYK"}
	for name, c := range map[string]struct {
		out  string
		args []string
	}{
		"an icon":                   {"out.ico", nil},
		"Photoshop":                 {"out.psd", nil},
		"Photoshop, run lengths":    {"out.psd", []string{"-compress", "RLE"}},
		"Photoshop, 16 bits":        {"out.psd", []string{"-depth", "16"}},
		"Photoshop, inks":           {"out.psd", inks},
		"Photoshop, Lab":            {"out.psd", []string{"-colorspace", "Lab"}},
		"Photoshop, large document": {"out.psb", nil},
		"a plain pixmap":            {"out.ppm", []string{"-compress", "none"}},
		"a pixmap":                  {"out.ppm", nil},
		"a PAM":                     {"out.pam", nil},
		"a PFM":                     {"out.pfm", nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, file, found := strings.Cut(c.out, ":")
			if !found {
				file = c.out
			}
			body := made(t, file, "convert", append(append([]string{"in.png"}, c.args...), c.out)...)
			drawn, err := work(t, Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypeOf(file)}}, body)
			if err != nil {
				t.Fatal(err)
			}
			near(t, drawn, made(t, "in.png", "convert", "in.png", "null:"))
		})
	}
}

// near compares two pictures that Go reads, at every 20th pixel.
func near(t *testing.T, got, want []byte) {
	t.Helper()
	a, _, err := image.Decode(bytes.NewReader(got))
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := image.Decode(bytes.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	if a.Bounds() != b.Bounds() {
		t.Fatalf("%v, want %v", a.Bounds(), b.Bounds())
	}
	for y := 3; y < b.Bounds().Dy(); y += 20 {
		for x := 3; x < b.Bounds().Dx(); x += 20 {
			p, q := color.NRGBAModel.Convert(a.At(x, y)).(color.NRGBA), color.NRGBAModel.Convert(b.At(x, y)).(color.NRGBA)
			for _, d := range []int{int(p.R) - int(q.R), int(p.G) - int(q.G), int(p.B) - int(q.B), int(p.A) - int(q.A)} {
				if max(d, -d) > 12 {
					t.Fatalf("%v at %d, %d, want %v", p, x, y, q)
				}
			}
		}
	}
}

// bmp32 returns a BMP of one pixel of 32 bits. size is the header's: 40 for version 3, 108 for version 4.
func bmp32(size uint32, alphaMask uint32, pixel ...byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("BM"), 14+size+uint32(len(pixel)))
	b = append(b, make([]byte, 4)...)
	b = binary.LittleEndian.AppendUint32(b, 14+size)
	header := make([]byte, size)
	for at, value := range map[int]uint32{0: size, 4: 1, 8: 1, 12: 1 | 32<<16} {
		binary.LittleEndian.PutUint32(header[at:], value)
	}
	if size > 40 {
		for at, value := range map[int]uint32{16: 3, 40: 0xff0000, 44: 0xff00, 48: 0xff, 52: alphaMask} {
			binary.LittleEndian.PutUint32(header[at:], value)
		}
	}
	return append(append(b, header...), pixel...)
}

// TestAlphaOfBMP checks that a BMP has alpha only if its header declares a mask, as in browsers.
func TestAlphaOfBMP(t *testing.T) {
	for name, c := range map[string]struct {
		body []byte
		want uint8
	}{
		"version 3, whose fourth byte means nothing": {bmp32(40, 0, 10, 20, 30, 128), 255},
		"version 4 with a mask":                      {bmp32(108, 0xff000000, 10, 20, 30, 128), 128},
		"version 4 without a mask":                   {bmp32(108, 0, 10, 20, 30, 128), 255},
	} {
		drawn, err := work(t, Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypeBMP}}, c.body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := "P6\n1 1\n255\n\x1e\x14\x0a"
		if c.want < 255 {
			want = "P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n\x1e\x14\x0a" + string([]byte{c.want})
		}
		if string(drawn) != want {
			t.Errorf("%s: %q, want %q", name, drawn, want)
		}
	}
}

// TestTarga draws files whose first row is the top or the bottom row.
func TestTarga(t *testing.T) {
	for name, c := range map[string]struct {
		flags byte
		want  string
	}{
		"from the bottom": {0, "\x00\x00\xff\xff\x00\x00"}, "from the top": {0x20, "\xff\x00\x00\x00\x00\xff"},
	} {
		body := []byte{0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 24, c.flags, 0, 0, 255, 255, 0, 0}
		drawn, err := work(t, Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypeTGA}}, body)
		if err != nil {
			t.Fatal(err)
		}
		if string(drawn) != "P6\n1 2\n255\n"+c.want {
			t.Errorf("%s: %q", name, drawn)
		}
	}
}

// TestTheLargestIcon checks that an ICO's largest icon is drawn: a PNG or a bitmap, at any position.
func TestTheLargestIcon(t *testing.T) {
	for name, sizes := range map[string][]string{
		"first": {"96x64", "16x16"}, "last": {"16x16", "32x32", "96x64"}, "a PNG": {"32x32", "256x256"},
	} {
		args := []string{"in.png"}
		for _, size := range sizes {
			args = append(args, "(", "-clone", "0", "-resize", size+"!", ")")
		}
		body := made(t, "out.ico", "convert", append(args, "-delete", "0", "out.ico")...)
		drawn, err := work(t, Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypeICO}}, body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		width, _, _ := raster(t, drawn)
		if want := map[string]int{"first": 96, "last": 96, "a PNG": 256}[name]; width != want {
			t.Errorf("%s: %d pixels wide, want %d", name, width, want)
		}
	}
}

// TestIndexedPhotoshop draws an indexed PSD, which ImageMagick 6 refuses.
func TestIndexedPhotoshop(t *testing.T) {
	body := []byte("8BPS\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x00\x04\x00\x08\x00\x02\x00\x00\x03\x00")
	body = append(append(body, bytes.Repeat([]byte{200}, 256)...), bytes.Repeat([]byte{100}, 256)...)
	body = append(append(body, make([]byte, 256+4+4+2)...), make([]byte, 16)...)
	drawn, err := work(t, Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypePSD}}, body)
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(drawn))
	if err != nil || m.At(3, 3) != (color.RGBA{200, 100, 0, 255}) {
		t.Errorf("%v, %v", m, err)
	}
}

// TestEarlyTransparency draws a PNG whose tRNS comes before its palette.
func TestEarlyTransparency(t *testing.T) {
	var b bytes.Buffer
	m := image.NewRGBA(image.Rect(0, 0, 2, 1))
	for x, c := range []color.RGBA{{0, 255, 0, 255}, {0, 0, 255, 255}} {
		m.Set(x, 0, c)
	}
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	const header = 33
	early := chunk("tRNS", []byte{0, 0, 0, 255, 0, 0}) + chunk("PLTE", []byte{0, 0, 0, 9, 9, 9})
	body := append([]byte(b.String()[:header]+early), b.Bytes()[header:]...)
	h, err := guard.Inspect(bytes.NewReader(body), int64(len(body)), thumbnail.TypePNG, 9)
	if err != nil || !h.ByTool || !h.Alpha {
		t.Fatalf("%+v, %v", h, err)
	}
	drawn, err := work(t, Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypePNG}}, body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(drawn))
	if err != nil {
		t.Fatal(err)
	}
	for x, want := range []uint32{0, 0xffff} {
		if _, _, _, a := got.At(x, 0).RGBA(); a != want {
			t.Errorf("alpha is %#x at x = %d", a, x)
		}
	}
}

// TestCompressedSVG checks that a drawing expands up to a bound, even from a truncated file.
func TestCompressedSVG(t *testing.T) {
	pack := func(text string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
		return b.Bytes()
	}
	r := func() Request { return Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 80}} }
	whole := pack(drawing)
	for name, body := range map[string][]byte{"whole": whole, "without its checksum": whole[:len(whole)-8]} {
		drawn, err := work(t, r(), body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if width, height, middle := raster(t, drawn); width != 80 || height != 60 || middle[0] < 200 {
			t.Errorf("%s: %d × %d, %v", name, width, height, middle)
		}
	}
	if _, err := work(t, r(), pack(drawing+strings.Repeat(" ", maxExpanded))); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a bomb: %v", err)
	}
}

// chunk returns a chunk of a PNG.
func chunk(kind string, content []byte) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	b = append(append(b, kind...), content...)
	return string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:])))
}
