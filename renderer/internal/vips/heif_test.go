package vips

import (
	"bytes"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/filter"
	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// avifOf returns a picture as an AVIF: above a quality of 90 with whole chroma, else with halved chroma.
func avifOf(t testing.TB, m image.Image, quality int) []byte {
	t.Helper()
	body, err := samples.PNG(m)
	o := read(t, body, err)
	r := o.asRender()
	defer r.free()
	r.spec = thumbnail.Spec{Quality: quality, Format: thumbnail.FormatAVIF}
	format, err := r.draw()
	if err != nil {
		t.Fatal(err)
	}
	avif, err := r.encode(format)
	if err != nil {
		t.Fatal(err)
	}
	return avif
}

// withCodes changes the matrix and the range of an AVIF (ISO/IEC 14496-12, 12.1.5).
func withCodes(t *testing.T, avif []byte, matrix, full byte) []byte {
	t.Helper()
	at := bytes.Index(avif, []byte("colrnclx"))
	if at < 0 {
		t.Fatal("libheif wrote no box of colours")
	}
	other := bytes.Clone(avif)
	other[at+13], other[at+14] = matrix, full<<7
	return other
}

func (o original) asRender() *render {
	return &render{header: o.header, maxPixels: math.MaxInt64, fd: int(o.file.Fd())}
}

// reduceBoth returns reductions by planes and by libvips, or nil.
func (o original) reduceBoth(t testing.TB, to geometry.Size) (ours, theirs *filter.Picture) {
	t.Helper()
	reduced, err := o.asRender().reduceAVIF(geometry.Size{Width: o.header.Width, Height: o.header.Height}, to)
	if err != nil {
		t.Fatal(err)
	}
	if reduced.ptr == nil {
		return nil, nil
	}
	defer reduced.free()
	r := o.asRender()
	defer r.free()
	return pictureOf(t, reduced), o.byLibheifAndLibvips(t, r, to)
}

func (o original) byLibheifAndLibvips(t testing.TB, r *render, to geometry.Size) *filter.Picture {
	t.Helper()
	whole, err := r.open(1, false)
	if err != nil {
		t.Fatal(err)
	}
	r.keep(whole)
	if err := r.scale(to); err != nil {
		t.Fatal(err)
	}
	return pictureOf(t, r.current)
}

func pictureOf(t testing.TB, p picture) *filter.Picture {
	t.Helper()
	pixels, err := pixelsOf(p)
	if err != nil {
		t.Fatal(err)
	}
	return pixels
}

// AVIFs have the same colours by planes as by libvips for each matrix, range and chroma: at full size to the byte, and
// reduced up to the filters, which differ.
func TestAVIFsAreReducedByPlanes(t *testing.T) {
	for _, quality := range []int{80, 95} {
		whole := avifOf(t, slopes(403, 311), quality)
		for _, codes := range [][2]byte{{1, 0}, {1, 1}, {2, 0}, {5, 0}, {6, 0}, {6, 1}, {9, 0}, {9, 1}} {
			o := read(t, withCodes(t, whole, codes[0], codes[1]), nil)
			for _, width := range []int{403, 301, 97, 40} {
				t.Run(fmt.Sprintf("quality %d, matrix %d, range %d, to %d", quality, codes[0], codes[1], width), func(t *testing.T) {
					ours, theirs := o.reduceBoth(t, geometry.Size{Width: width, Height: 311 * width / 403})
					if ours == nil {
						t.Skip("this libheif has no such planes")
					}
					if mean := difference(ours, theirs); mean > 1.5 || width == 403 && mean > 0 {
						t.Errorf("%.2f apart", mean)
					}
				})
			}
		}
	}
}

// difference returns the mean difference of samples, or infinity for other shapes.
func difference(a, b *filter.Picture) (mean float64) {
	if a.Width != b.Width || a.Height != b.Height || a.Bands != b.Bands {
		return math.Inf(1)
	}
	for i := range a.Pix {
		mean += math.Abs(float64(a.Pix[i]) - float64(b.Pix[i]))
	}
	return mean / float64(len(a.Pix))
}

// Other AVIFs are left to libvips before a pixel is decoded, and so are damaged ones.
func TestWhichAVIFsHaveNoPlanes(t *testing.T) {
	whole := avifOf(t, slopes(403, 311), 80)
	clear := image.NewNRGBA(image.Rect(0, 0, 403, 311))
	clear.Pix[3] = 100
	for name, c := range map[string]struct {
		file []byte
		size geometry.Size
	}{
		"of another size": {whole, geometry.Size{Width: 402, Height: 311}}, "half": {whole[:len(whole)/2], geometry.Size{Width: 403, Height: 311}},
		"with alpha": {avifOf(t, clear, 80), geometry.Size{Width: 403, Height: 311}},
	} {
		path := filepath.Join(t.TempDir(), "a.avif")
		if err := os.WriteFile(path, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		r := &render{header: guard.Header{Type: thumbnail.TypeAVIF}, fd: int(f.Fd())}
		if p, err := r.reduceAVIF(c.size, geometry.Size{Width: 40, Height: 31}); p.ptr != nil || err != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
		_ = f.Close()
	}
	for name, h := range map[string]guard.Header{
		"with alpha": {Alpha: true}, "deep": {Deep: true}, "of tracks": {Sequence: true}, "of several frames": {Frames: 2},
	} {
		if h.Type = thumbnail.TypeAVIF; (&render{header: h}).hasPlainPlanes() {
			t.Errorf("an AVIF %s has planes", name)
		}
	}
}
