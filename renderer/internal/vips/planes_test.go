package vips

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	_ "golang.org/x/image/webp" // decodes thumbnails

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	jpegplanes "github.com/thumbmill/thumbmill/renderer/internal/jpeg"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// withOrientation inserts an Exif with only an orientation behind a JPEG's first marker.
func withOrientation(file []byte, orientation byte) []byte {
	exif := []byte("\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00")
	exif[29] = orientation
	return append(append(bytes.Clone(file[:2]), exif...), file[2:]...)
}

// byLibvips draws without planes.
func (o original) byLibvips(t *testing.T, s thumbnail.Spec) image.Image {
	t.Helper()
	return o.drawn(t, s, nil)
}

func (o original) drawn(t *testing.T, s thumbnail.Spec, d *decoding) image.Image {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "thumbnail"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	s.Quality, s.Format = 95, cmp.Or(s.Format, thumbnail.FormatJPEG)
	if s.Chroma == "" {
		s.Chroma = "4:2:0"
	}
	if _, err := draw(&render{spec: s, header: o.header, maxPixels: maxPixels, fd: int(o.file.Fd()), decoding: d}, out); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := image.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// apart returns the mean difference of the pixels over all channels.
func apart(a, b image.Image) (mean float64, err error) {
	if a.Bounds() != b.Bounds() {
		return 0, fmt.Errorf("%v and %v", a.Bounds(), b.Bounds())
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			p, q := color.RGBAModel.Convert(a.At(x, y)).(color.RGBA), color.RGBAModel.Convert(b.At(x, y)).(color.RGBA)
			mean += math.Abs(float64(p.R)-float64(q.R)) + math.Abs(float64(p.G)-float64(q.G)) + math.Abs(float64(p.B)-float64(q.B))
		}
	}
	return mean / 3 / float64(a.Bounds().Dx()*a.Bounds().Dy()), nil
}

// slopes returns a picture without noise and without symmetry. Different ways to scale give different
// results.
func slopes(width, height int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.RGBA{uint8(255 * x / width), uint8(255 * y / height), uint8(255 * x * y / width / height), 255}
			if (x-width/4)*(x-width/4)+(y-height/3)*(y-height/3) < width*height/40 {
				c = color.RGBA{230, 60, 20, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

// Planes and libvips draw the same picture in every orientation and cut. libvips is a level off: it treats
// the last block as a whole block.
func TestPlanesAreDrawnAsLibvipsDraws(t *testing.T) {
	body, err := samples.JPEG(slopes(803, 611))
	if err != nil {
		t.Fatal(err)
	}
	sharpen := &thumbnail.Sharpen{Sigma: 0.8, Amount: 1, Ratio: 1}
	for orientation := byte(1); orientation <= 8; orientation++ {
		o := read(t, withOrientation(body, orientation), nil)
		for name, s := range map[string]thumbnail.Spec{
			"scaled": {Width: 100}, "hardly smaller": {Width: 600}, "hardly smaller, sharpened": {Width: 400, Sharpen: sharpen},
			"of odd sides": {Width: 97}, "cut": {Width: 80, Height: 80}, "cut upright": {Width: 40, Height: 110},
			"sharpened": {Width: 90, Sharpen: sharpen}, "with whole chroma": {Width: 100, Chroma: "4:4:4"},
			"mirrored": {Width: 100, FlipX: true, FlipY: true}, "cut smartly": {Width: 90, Height: 60, Smart: true}, "as it is stored": {Width: 100, AsStored: true},
			"a WebP": {Width: 100, Format: thumbnail.FormatWebP}, "a WebP, sharpened": {Width: 91, Format: thumbnail.FormatWebP, Sharpen: sharpen},
			"filtered": {Width: 100, Operations: []thumbnail.Operation{{Name: thumbnail.StepRotate, Args: []float64{90}}}},
		} {
			t.Run(fmt.Sprintf("%s, orientation %d", name, orientation), func(t *testing.T) {
				d := &decoding{}
				defer d.free()
				mean, err := apart(o.drawn(t, s, d), o.byLibvips(t, s))
				if err != nil || mean > 2 {
					t.Errorf("%.1f apart, %v", mean, err)
				}
				if d.planes == nil {
					t.Error("the thumbnail was not drawn by planes")
				}
			})
		}
	}
}

func TestWhatIsNotDrawnByPlanes(t *testing.T) {
	body, err := samples.JPEG(samples.Landscape(400, 300))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body []byte
		spec thumbnail.Spec
	}{
		"as large":               {body, thumbnail.Spec{Width: 400}},
		"larger":                 {body, thumbnail.Spec{Width: 500, Enlarge: true}},
		"a part of it":           {body, thumbnail.Spec{Width: 50, Crop: &thumbnail.Rect{Right: 100, Bottom: 100}}},
		"sharpened from too few": {body, thumbnail.Spec{Width: 290, Sharpen: &thumbnail.Sharpen{Sigma: 0.8, Amount: 1, Ratio: 1}}},
		"a truncated original":   {body[:len(body)/2], thumbnail.Spec{Width: 50}},
		"a trimmed border":       {body, thumbnail.Spec{Width: 50, Trim: &thumbnail.Trim{Corner: "top-left"}}},
	} {
		t.Run(name, func(t *testing.T) {
			o := read(t, c.body, nil)
			d := &decoding{}
			defer d.free()
			mean, err := apart(o.drawn(t, c.spec, d), o.byLibvips(t, c.spec))
			if err != nil || mean > 0 {
				t.Errorf("%.1f apart, %v", mean, err)
			}
		})
	}
}

// Several decodes an original once, at the scale of the largest thumbnail.
func TestSeveralAreDecodedOnce(t *testing.T) {
	body, err := samples.JPEG(slopes(1000, 700))
	o := read(t, body, err)
	specs := []thumbnail.Spec{{Width: 60}, {Width: 300}, {Width: 120}, {Width: 900}, {Width: 1000}}
	d := decodingFor(specs, o.header)
	defer d.free()
	if d.least != entire {
		t.Errorf("the largest that is reduced needs %d eighths, not %d", d.least, entire)
	}
	var first any
	for _, s := range specs[:4] {
		m := o.drawn(t, s, d)
		if first == nil {
			first = d.planes
		}
		if d.planes != first {
			t.Errorf("%+v was decoded anew", s)
		}
		if mean, err := apart(m, o.byLibvips(t, s)); err != nil || mean > 2.25 { // at a width of 60: 1.99 from libvips 8.14, 2.04 from 8.16
			t.Errorf("%+v: %.2f apart, %v", s, mean, err)
		}
	}
	if len(d.halves) != 3 {
		t.Errorf("the planes were halved %d times, not 3", len(d.halves))
	}
}

func TestHalves(t *testing.T) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	samples := []byte{1, 2, 3, 4, 5, 9, 7, 8, 9, 10, 11, 9, 13, 14, 15, 16, 17, 9}
	pinner.Pin(&samples[0])
	in := &jpegplanes.Planes{Width: 5, Height: 3, Planes: []jpegplanes.Plane{{Width: 5, Height: 3, Across: 1, Down: 1, Stride: 6, Samples: unsafe.Pointer(&samples[0])}}}
	half, err := halve(in)
	if err != nil {
		t.Fatal(err)
	}
	defer freeOwn(half)
	p := half.Planes[0]
	got := unsafe.Slice((*byte)(p.Samples), p.Width*p.Height)
	if want := []byte{5, 7, 8, 14, 16, 17}; p.Width != 3 || p.Height != 2 || p.Across != 0.5 || !bytes.Equal(got, want) {
		t.Errorf("%+v: %v, want %v", p, got, want)
	}
}

// An unsharp mask of hardly any width changes nothing, and does not give NaN or infinity.
func TestAMaskOfNoWidth(t *testing.T) {
	body, err := samples.JPEG(slopes(803, 611))
	o := read(t, body, err)
	draws := func(sigma float64) image.Image {
		d := &decoding{}
		defer d.free()
		return o.drawn(t, thumbnail.Spec{Width: 100, Sharpen: &thumbnail.Sharpen{Sigma: sigma, Amount: 3, Ratio: 1}}, d)
	}
	if mean, err := apart(draws(1e-200), draws(0.1)); err != nil || mean > 0 {
		t.Errorf("%.1f apart, %v", mean, err)
	}
}

func TestDecodingNeedsAFile(t *testing.T) {
	empty, err := os.Create(filepath.Join(t.TempDir(), "empty"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = empty.Close() }()
	d := decodingFor([]thumbnail.Spec{{Width: 10}}, guard.Header{Width: 100, Height: 100})
	if planes, err := d.at(int(empty.Fd()), need{luma: 1, chroma: 1}); err == nil {
		t.Errorf("%+v", planes)
	}
}

// A WebP is drawn by planes as by libvips, which filters between blocks and averages RGB.
func TestWebPsAreDrawnByPlanes(t *testing.T) {
	body, err := samples.JPEG(slopes(803, 611))
	_, webp, failed := read(t, body, err).render(t, thumbnail.Spec{Width: 803, Quality: 95, Chroma: "4:2:0", Format: thumbnail.FormatWebP})
	o := read(t, webp, failed)
	for name, s := range map[string]thumbnail.Spec{
		"a JPEG": {Width: 100}, "of odd sides": {Width: 97}, "cut": {Width: 80, Height: 80}, "a WebP": {Width: 100, Format: thumbnail.FormatWebP},
		"a WebP of odd sides": {Width: 91, Format: thumbnail.FormatWebP}, "mirrored": {Width: 100, FlipX: true}, "with whole chroma": {Width: 100, Chroma: "4:4:4"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &decoding{}
			defer d.free()
			mean, err := apart(o.drawn(t, s, d), o.byLibvips(t, s))
			if err != nil || mean > 2 {
				t.Errorf("%.1f apart, %v", mean, err)
			}
			if d.planes == nil {
				t.Error("the thumbnail was not drawn by planes")
			}
		})
	}
	for name, s := range map[string]thumbnail.Spec{"hardly smaller": {Width: 400}, "sharpened": {Width: 100, Sharpen: &thumbnail.Sharpen{Sigma: 0.8, Amount: 1, Ratio: 1}}} {
		d := &decoding{}
		if o.drawn(t, s, d); d.planes != nil {
			t.Errorf("a thumbnail that is %s was drawn by planes", name)
		}
	}
}

// A WebP that ends early is left to libvips.
func TestADamagedWebPHasNoPlanes(t *testing.T) {
	body, err := samples.JPEG(slopes(803, 611))
	_, webp, failed := read(t, body, err).render(t, thumbnail.Spec{Width: 803, Quality: 95, Chroma: "4:2:0", Format: thumbnail.FormatWebP})
	if failed != nil {
		t.Fatal(failed)
	}
	stored := geometry.Size{Width: 803, Height: 611}
	for name, c := range map[string]struct {
		file []byte
		size geometry.Size
		want bool
	}{
		"whole": {webp, stored, true}, "half": {webp[:len(webp)/2], stored, false}, "of another size": {webp, geometry.Size{Width: 802, Height: 611}, false}, "a JPEG": {body, stored, false},
	} {
		planes, err := webPPlanes(c.file, c.size, 4)
		if (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			freeOwn(planes)
		}
	}
}
