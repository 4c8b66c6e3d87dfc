package jpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
)

// photograph returns a landscape with the noise of a camera.
func photograph(width, height int) *image.RGBA {
	m, random := samples.Landscape(width, height), rand.New(rand.NewPCG(1, 2))
	for i := range m.Pix {
		if i%4 < 3 {
			m.Pix[i] = uint8(min(max(float64(m.Pix[i])+random.NormFloat64()*5, 0), 255))
		}
	}
	return m
}

// ppm returns the picture as a PPM, for cjpeg.
func ppm(t testing.TB, m image.Image) []byte {
	t.Helper()
	b := m.Bounds()
	out := bytes.NewBufferString("P6\n")
	out.WriteString(strconv.Itoa(b.Dx()) + " " + strconv.Itoa(b.Dy()) + "\n255\n")
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.RGBAModel.Convert(m.At(x, y)).(color.RGBA)
			out.Write([]byte{c.R, c.G, c.B})
		}
	}
	return out.Bytes()
}

// encoded returns the picture as libjpeg's encoder writes it. It skips the test without cjpeg.
func encoded(t testing.TB, m image.Image, arguments ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("cjpeg"); err != nil {
		t.Skip("cjpeg is not installed")
	}
	c := exec.Command("cjpeg", arguments...)
	c.Stdin, c.Stderr = bytes.NewReader(ppm(t, m)), os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("cjpeg %v: %v", arguments, err)
	}
	return out
}

// kinds returns files of all kinds that this package decodes.
func kinds(t testing.TB) map[string][]byte {
	m := photograph(203, 155)
	scans := filepath.Join(t.TempDir(), "scans")
	if err := os.WriteFile(scans, []byte("0;\n1;\n2;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for name, arguments := range map[string][]string{
		"4:2:0":                 {"-sample", "2x2"},
		"4:2:2":                 {"-sample", "2x1"},
		"4:4:0":                 {"-sample", "1x2"},
		"4:4:4":                 {"-sample", "1x1"},
		"grey":                  {"-grayscale"},
		"best":                  {"-quality", "100", "-sample", "1x1"},
		"worst":                 {"-quality", "1"},
		"optimised":             {"-optimize"},
		"restarts":              {"-restart", "3B"},
		"restarts of rows":      {"-restart", "1"},
		"one scan each":         {"-scans", scans},
		"progressive":           {"-progressive", "-sample", "2x2"},
		"progressive 4:4:4":     {"-progressive", "-sample", "1x1", "-quality", "90"},
		"progressive grey":      {"-progressive", "-grayscale"},
		"progressive, restarts": {"-progressive", "-restart", "5B"},
	} {
		files[name] = encoded(t, m, arguments...)
	}
	return files
}

// same fails unless both decoders' planes are equal in all pixels.
func same(t *testing.T, got, want *Planes) {
	t.Helper()
	if got.Width != want.Width || got.Height != want.Height || len(got.Planes) != len(want.Planes) {
		t.Fatalf("%d x %d of %d planes, want %d x %d of %d", got.Width, got.Height, len(got.Planes), want.Width, want.Height, len(want.Planes))
	}
	for i, p := range got.Planes {
		w := want.Planes[i]
		if p.Width != w.Width || p.Height != w.Height {
			t.Fatalf("plane %d is %d x %d, want %d x %d", i, p.Width, p.Height, w.Width, w.Height)
		}
		for y := range p.Height {
			if !bytes.Equal(p.Row(y), w.Row(y)) {
				t.Fatalf("plane %d differs in row %d:\n%v\n%v", i, y, p.Row(y), w.Row(y))
			}
		}
	}
}

var scales = [][2]int{{1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 3}, {2, 4}, {4, 4}, {3, 6}, {5, 5}, {6, 6}, {7, 7}, {4, 8}, {8, 4}, {8, 8}, {1, 8}, {8, 1}}

func TestPlanesAreTheLibrarys(t *testing.T) {
	for name, file := range kinds(t) {
		for _, scale := range scales {
			t.Run(name+" at "+strconv.Itoa(scale[0])+" and "+strconv.Itoa(scale[1]), func(t *testing.T) {
				want, err := library(file, scale[0], scale[1], true)
				if err != nil {
					t.Fatal(err)
				}
				defer want.Free()
				got, err := Decode(file, scale[0], scale[1])
				if err != nil {
					t.Fatal(err)
				}
				defer got.Free()
				same(t, got, want)
				if got.Warned {
					t.Error("a file without damage has a warning")
				}
			})
		}
	}
}

// The planes at 8/8 are equal to the planes of Go's decoder, within rounding.
func TestWholePlanesAreGos(t *testing.T) {
	for name, file := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			m, err := jpeg.Decode(bytes.NewReader(file))
			if err != nil {
				t.Skipf("Go's decoder does not decode the file: %v", err)
			}
			got, err := Decode(file, 8, 8)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Free()
			for i, p := range got.Planes {
				samples, stride := plane(m, i)
				for y := range p.Height {
					for x, v := range p.Row(y) {
						if d := int(v) - int(samples[y*stride+x]); d < -2 || d > 2 {
							t.Fatalf("plane %d at %d, %d is %d, Go's is %d", i, x, y, v, samples[y*stride+x])
						}
					}
				}
			}
		})
	}
}

func plane(m image.Image, i int) ([]byte, int) {
	if grey, ok := m.(*image.Gray); ok {
		return grey.Pix, grey.Stride
	}
	c := m.(*image.YCbCr)
	return [][]byte{c.Y, c.Cb, c.Cr}[i], []int{c.YStride, c.CStride, c.CStride}[i]
}

func TestOtherKindsAreLeft(t *testing.T) {
	m := photograph(64, 48)
	for name, file := range map[string][]byte{
		"RGB":             encoded(t, m, "-rgb"),
		"arithmetic":      encoded(t, m, "-arithmetic"),
		"4:1:1":           encoded(t, m, "-sample", "4x1"),
		"subsampled luma": encoded(t, m, "-sample", "1x1,2x2,2x2"),
		"no JPEG":         []byte("GIF89a"),
		"nothing":         nil,
		"only a start":    {0xff, 0xd8},
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := Decode(file, 1, 1); !errors.Is(err, ErrOther) {
				t.Errorf("%v, %v; want ErrOther", p, err)
			}
		})
	}
}

func TestScalesAreBounded(t *testing.T) {
	file := encoded(t, photograph(16, 16))
	for _, scale := range [][2]int{{0, 1}, {1, 0}, {9, 1}, {1, 9}, {-1, -1}} {
		if _, err := Decode(file, scale[0], scale[1]); err == nil || errors.Is(err, ErrOther) {
			t.Errorf("at scale %v: error %v", scale, err)
		}
	}
}

func TestDamagedFilesAreTheLibrarys(t *testing.T) {
	for name, file := range kinds(t) {
		half := file[:len(file)/2]
		damaged := bytes.Clone(file)
		for i := len(damaged) / 2; i < len(damaged)-2; i += 97 {
			damaged[i] ^= 0x5a
		}
		for harm, file := range map[string][]byte{"truncated": half, "without its end": file[:len(file)-2], "damaged": damaged} {
			for _, scale := range scales {
				want, err := library(file, scale[0], scale[1], true)
				if err != nil {
					continue
				}
				t.Run(name+" "+harm+" at "+strconv.Itoa(scale[0])+" and "+strconv.Itoa(scale[1]), func(t *testing.T) {
					defer want.Free()
					got, err := Decode(file, scale[0], scale[1])
					if err != nil {
						t.Fatal(err)
					}
					defer got.Free()
					same(t, got, want)
				})
			}
		}
	}
}

func TestFreeTwice(t *testing.T) {
	p, err := Decode(encoded(t, photograph(40, 30)), 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	p.Free()
	p.Free()
}
