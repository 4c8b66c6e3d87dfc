// Package samples draws the first originals of a new user, which tests render too: a picture in
// each format, with features that thumbnails often get wrong (EXIF orientation, alpha, animation,
// pages). thumbmill serve --samples and the tests use it.
package samples

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"

	"github.com/HugoSmits86/nativewebp"
	"golang.org/x/image/tiff"
)

// Sample is an original.
type Sample struct {
	Name  string // file name, with the folder of its container
	Shows string // the feature that it shows
	draw  func() ([]byte, error)
}

// All lists the samples.
func All() []Sample {
	return []Sample{
		{"landscape.jpg", "a JPEG", func() ([]byte, error) { return JPEG(Landscape(1600, 1000)) }},
		{"turned.jpg", "a JPEG that EXIF turns upright", func() ([]byte, error) { return TurnedJPEG(Landscape(1000, 1600)) }},
		{"disc.png", "a PNG with soft transparency", func() ([]byte, error) { return PNG(Disc(800)) }},
		{"disc.webp", "a WebP with soft transparency", func() ([]byte, error) { return WebP(Disc(640)) }},
		{"spinner.gif", "an animated GIF, all frames", func() ([]byte, error) { return GIF(320, 12) }},
		{"wikipedia-commons-local-public/a/ab/Landscape.jpg", "a JPEG in a container of MediaWiki's", func() ([]byte, error) { return JPEG(Landscape(2000, 1250)) }},
		{"drawing.svg", "a drawing", func() ([]byte, error) { return []byte(drawing), nil }},
		{"solid.stl", "a solid body", func() ([]byte, error) { return []byte(tetrahedron), nil }},
		{"scan.tiff", "a TIFF: an expensive type", func() ([]byte, error) { return TIFF(Landscape(1200, 900)) }},
	}
}

const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="400">
<rect width="640" height="400" fill="#246"/><circle cx="160" cy="120" r="70" fill="#fd6"/>
<path d="M0 320Q160 240 320 320T640 320V400H0z" fill="#48a"/>
<text x="320" y="80" font-family="sans-serif" font-size="40" fill="#fff">
<switch><tspan systemLanguage="fr">Bonjour</tspan><tspan>Hello</tspan></switch></text></svg>
`

const tetrahedron = `solid tetrahedron
facet normal 0 0 -1
outer loop
vertex 0 0 0
vertex 0 9 0
vertex 9 0 0
endloop
endfacet
facet normal 0 -1 0
outer loop
vertex 0 0 0
vertex 9 0 0
vertex 3 3 8
endloop
endfacet
facet normal -1 0 0
outer loop
vertex 0 0 0
vertex 3 3 8
vertex 0 9 0
endloop
endfacet
facet normal 1 1 1
outer loop
vertex 9 0 0
vertex 0 9 0
vertex 3 3 8
endloop
endfacet
endsolid tetrahedron
`

// Draw writes the missing samples into a folder, and returns all samples.
func Draw(dir string) ([]Sample, error) {
	for _, s := range All() {
		path := filepath.Join(dir, s.Name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		body, err := s.draw()
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", s.Name, err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, body, 0o644); err != nil {
			return nil, err
		}
	}
	return All(), nil
}

// Landscape draws sky, sun and waves: smooth areas, edges and detail. The sun is at the upper left.
func Landscape(width, height int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	w, h := float64(width), float64(height)
	for y := range height {
		for x := range width {
			u, v := float64(x)/w, float64(y)/h
			m.SetRGBA(x, y, pixel(u, v, h/w))
		}
	}
	return m
}

func pixel(u, v, aspect float64) color.RGBA {
	horizon := 0.62 + 0.03*math.Sin(u*9)
	if v > horizon {
		wave := math.Sin(v*160+math.Sin(u*40)*2) * (v - horizon) * 2
		return rgb(0.05+wave*0.1, 0.3+wave*0.25, 0.45+wave*0.3)
	}
	if math.Hypot(u-0.22, (v-0.2)*aspect) < 0.08 {
		return rgb(1, 0.85, 0.35)
	}
	return rgb(0.45+v*0.8, 0.6+v*0.35, 0.95-v*0.3)
}

func rgb(r, g, b float64) color.RGBA {
	level := func(v float64) uint8 { return uint8(math.Round(255 * min(max(v, 0), 1))) }
	return color.RGBA{level(r), level(g), level(b), 255}
}

// Disc draws a red disc with a soft edge on transparent black. A resize that forgets to premultiply
// shows a dark rim.
func Disc(side int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, side, side))
	centre, radius := float64(side)/2, float64(side)*0.4
	for y := range side {
		for x := range side {
			edge := radius - math.Hypot(float64(x)-centre, float64(y)-centre)
			if edge > 0 {
				m.SetNRGBA(x, y, color.NRGBA{255, 0, 0, uint8(255 * min(1, edge/8))})
			}
		}
	}
	return m
}

// JPEG encodes a picture at quality 92.
func JPEG(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 92})
	return b.Bytes(), err
}

// PNG encodes a picture.
func PNG(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, m)
	return b.Bytes(), err
}

// WebP encodes a picture without loss.
func WebP(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := nativewebp.Encode(&b, m, nil)
	return b.Bytes(), err
}

// TIFF encodes a picture with Deflate.
func TIFF(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := tiff.Encode(&b, m, &tiff.Options{Compression: tiff.Deflate})
	return b.Bytes(), err
}

// TurnedJPEG stores a picture rotated, with the EXIF orientation 6, which turns it upright. Cameras
// do this when they are held upright.
func TurnedJPEG(upright image.Image) ([]byte, error) {
	b := upright.Bounds()
	stored := image.NewRGBA(image.Rect(0, 0, b.Dy(), b.Dx()))
	for y := range b.Dy() {
		for x := range b.Dx() {
			stored.Set(y, b.Dx()-1-x, upright.At(b.Min.X+x, b.Min.Y+y))
		}
	}
	body, err := JPEG(stored)
	if err != nil {
		return nil, err
	}
	return append(append([]byte{0xff, 0xd8}, exifOrientation(6)...), body[2:]...), nil
}

// exifOrientation returns an APP1 segment with one TIFF directory of one field.
func exifOrientation(value uint16) []byte {
	const tagOrientation, kindShort = 0x0112, 3
	b := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08")
	for _, n := range []uint16{1, tagOrientation, kindShort, 0, 1, value, 0, 0, 0} {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	length := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(b)+2))
	return append(length, b...)
}

// GIF draws a spinner of the given number of frames.
func GIF(side, frames int) ([]byte, error) {
	g := &gif.GIF{}
	for i := range frames {
		m := image.NewPaletted(image.Rect(0, 0, side, side), palette.WebSafe)
		draw.Draw(m, m.Bounds(), image.White, image.Point{}, draw.Src)
		angle := 2 * math.Pi * float64(i) / float64(frames)
		x := float64(side)/2 + float64(side)*0.33*math.Cos(angle)
		y := float64(side)/2 + float64(side)*0.33*math.Sin(angle)
		r := side / 8
		spot := image.Rect(int(x)-r, int(y)-r, int(x)+r, int(y)+r)
		draw.Draw(m, spot, image.NewUniform(color.RGBA{0, 102, 204, 255}), image.Point{}, draw.Src)
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 8)
	}
	var b bytes.Buffer
	err := gif.EncodeAll(&b, g)
	return b.Bytes(), err
}
