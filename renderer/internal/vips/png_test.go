package vips

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
)

// pictures are of one kind each: noise and smooth ones, few colours and many, with alpha and without.
func pictures() map[string]raw {
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // noise
	all := map[string]raw{}
	for name, value := range map[string]func(x, y, band int) byte{
		"noise":          func(int, int, int) byte { return byte(random.IntN(256)) },
		"smooth":         func(x, y, band int) byte { return byte(x*(band+1) + y*y/99) },
		"two colours":    func(x, y, _ int) byte { return byte((x + y/3) % 2 * 200) },
		"three colours":  func(x, y, _ int) byte { return byte((x + y/3) % 3 * 90) },
		"twelve colours": func(x, y, _ int) byte { return byte((x + y/3) % 12 * 20) },
		"256 colours":    func(x, y, _ int) byte { return byte(x + 3*y) },
		"one colour":     func(int, int, int) byte { return 7 },
	} {
		for bands := 1; bands <= 4; bands++ {
			for _, size := range []image.Point{{X: 1, Y: 1}, {X: 37, Y: 29}, {X: 300, Y: 2}} {
				m := raw{width: size.X, height: size.Y, bands: bands}
				for at := range size.X * size.Y * bands {
					pixel := at / bands
					m.pixels = append(m.pixels, value(pixel%size.X, pixel/size.X, at%bands))
				}
				all[name+string(rune('0'+bands))+size.String()] = m
			}
		}
	}
	return all
}

// at is a pixel as its samples say.
func (m raw) at(x, y int) color.NRGBA {
	p := m.pixels[(y*m.width+x)*m.bands:]
	switch m.bands {
	case 1:
		return color.NRGBA{R: p[0], G: p[0], B: p[0], A: 255}
	case 2:
		return color.NRGBA{R: p[0], G: p[0], B: p[0], A: p[1]}
	case 3:
		return color.NRGBA{R: p[0], G: p[1], B: p[2], A: 255}
	}
	return color.NRGBA{R: p[0], G: p[1], B: p[2], A: p[3]}
}

func TestPNGsHaveEveryPixel(t *testing.T) {
	for name, m := range pictures() {
		file, err := packPNG(m)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Bounds().Size() != image.Pt(m.width, m.height) {
			t.Errorf("%s: %v", name, got.Bounds())
		}
		for at := range m.width * m.height {
			x, y := at%m.width, at/m.width
			if c := color.NRGBAModel.Convert(got.At(x, y)); c != m.at(x, y) {
				t.Fatalf("%s: %v at %d, %d; want %v", name, c, x, y, m.at(x, y))
			}
		}
	}
}

// Go's encoder at its best is the measure of few bytes.
func TestPNGsAreSmall(t *testing.T) {
	for name, m := range map[string]*image.RGBA{"a landscape": samples.Landscape(320, 240), "a disc": redOnWhite(samples.Disc(200))} {
		picture := raw{width: m.Rect.Dx(), height: m.Rect.Dy(), bands: 4, pixels: m.Pix}
		ours, err := packPNG(picture)
		if err != nil {
			t.Fatal(err)
		}
		var theirs bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&theirs, m); err != nil {
			t.Fatal(err)
		}
		if len(ours) > theirs.Len()*101/100 {
			t.Errorf("%s takes %d bytes, by Go's encoder %d", name, len(ours), theirs.Len())
		}
	}
}

func redOnWhite(m image.Image) *image.RGBA {
	out := image.NewRGBA(m.Bounds())
	for at := range out.Rect.Dx() * out.Rect.Dy() {
		x, y := at%out.Rect.Dx(), at/out.Rect.Dx()
		_, _, _, a := m.At(x, y).RGBA()
		out.SetRGBA(x, y, color.RGBA{R: 255, G: uint8(255 - a>>8), B: uint8(255 - a>>8), A: 255})
	}
	return out
}

// BenchmarkPNG packs a picture of a megapixel that is smooth, which zlib takes long for.
func BenchmarkPNG(b *testing.B) {
	m := samples.Landscape(1200, 800)
	picture := raw{width: 1200, height: 800, bands: 4, pixels: m.Pix}
	for b.Loop() {
		if _, err := packPNG(picture); err != nil {
			b.Fatal(err)
		}
	}
}
