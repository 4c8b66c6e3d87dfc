package vips

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	scale "golang.org/x/image/draw"
	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/loadtest/tool/ssim"
	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// planesRounds is the number of interleaved rounds. The median of the rounds counts.
const planesRounds = 5

// way draws thumbnails of an original, and calls done with each.
type way func(o original, specs []thumbnail.Spec, done func(i int, file []byte))

// BenchmarkPlanes prints two tables for the photographs of THUMBMILL_CONFORMANCE, with SSIM against a reduction of the
// whole picture: reductions to more than half by planes and by libvips, and six sizes by one decoding and by one each.
func BenchmarkPlanes(b *testing.B) {
	files, _ := filepath.Glob(filepath.Join(os.Getenv("THUMBMILL_CONFORMANCE"), "originals", "*.jpg"))
	if len(files) == 0 {
		b.Skip("THUMBMILL_CONFORMANCE names no folder of photographs")
	}
	for _, t := range []struct {
		what     string
		ours, as way
		widths   func(h guard.Header) []int
	}{
		{"reductions to 0.6: planes beside libvips", each(func() *decoding { return &decoding{} }), each(func() *decoding { return nil }), func(h guard.Header) []int { return []int{h.Width * 6 / 10} }},
		{"six sizes: one decoding beside one each", together, each(func() *decoding { return &decoding{} }), func(guard.Header) []int { return []int{1280, 120, 250, 330, 500, 960} }},
	} {
		fmt.Printf("\n%s\n\n| original | ms | ms | ratio | least SSIM | least SSIM |\n|---|---|---|---|---|---|\n", t.what)
		for _, path := range files {
			o := openOriginal(b, path)
			if o.header.Width < 1400 || o.header.Orientation > 1 {
				continue
			}
			var specs []thumbnail.Spec
			for _, width := range t.widths(o.header) {
				specs = append(specs, thumbnail.Spec{Type: thumbnail.TypeJPEG, Width: width, Quality: 95, Chroma: "4:2:0", Format: thumbnail.FormatJPEG})
			}
			fmt.Println(compared(b, o, specs, t.ours, t.as))
		}
	}
	b.ReportMetric(0, "ns/op") // the tables are the result
}

// compared returns a row of a table.
func compared(b *testing.B, o original, specs []thumbnail.Spec, ours, as way) string {
	b.Helper()
	times, like := [2][]float64{}, [2]float64{1, 1}
	for round := range planesRounds {
		for i, w := range []way{ours, as} {
			before := processorTime(b)
			w(o, specs, func(at int, file []byte) {
				if round == 0 {
					like[i] = min(like[i], similarity(b, o, file))
				}
			})
			if round > 0 {
				times[i] = append(times[i], processorTime(b)-before)
			}
		}
	}
	for i := range times {
		slices.Sort(times[i])
	}
	middle := len(times[0]) / 2
	return fmt.Sprintf("| %s | %.0f | %.0f | %.2f | %.4f | %.4f |", filepath.Base(o.file.Name()), times[0][middle], times[1][middle],
		times[0][middle]/times[1][middle], like[0], like[1])
}

func openOriginal(b *testing.B, path string) original {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	h, err := guard.Inspect(f, info.Size(), thumbnail.TypeJPEG, 1<<40)
	if err != nil {
		b.Fatal(err)
	}
	return original{f, h}
}

// each draws each thumbnail with a decoding of its own.
func each(decode func() *decoding) way {
	return func(o original, specs []thumbnail.Spec, done func(int, []byte)) {
		for i, s := range specs {
			d := decode()
			r := &render{spec: s, header: o.header, maxPixels: math.MaxInt64, fd: int(o.file.Fd()), decoding: d}
			if format, err := r.draw(); err == nil {
				file, _ := r.encode(format)
				done(i, file)
			}
			r.free()
			if d != nil {
				d.free()
			}
		}
	}
}

// together draws all thumbnails with one decoding.
func together(o original, specs []thumbnail.Spec, done func(int, []byte)) {
	d := decodingFor(specs, o.header)
	defer d.free()
	for i, s := range specs {
		r := &render{spec: s, header: o.header, maxPixels: math.MaxInt64, fd: int(o.file.Fd()), decoding: d}
		if format, err := r.draw(); err == nil {
			file, _ := r.encode(format)
			done(i, file)
		}
		r.free()
	}
}

func processorTime(b *testing.B) float64 {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}

func similarity(b *testing.B, o original, file []byte) float64 {
	b.Helper()
	m, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		b.Fatal(err)
	}
	body, err := os.ReadFile(o.file.Name())
	if err != nil {
		b.Fatal(err)
	}
	whole, err := jpeg.Decode(bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	reference := image.NewRGBA(m.Bounds())
	scale.CatmullRom.Scale(reference, reference.Rect, whole, whole.Bounds(), scale.Src, nil)
	like, err := ssim.Mean(m, reference, 128)
	if err != nil {
		b.Fatal(err)
	}
	return like
}

// BenchmarkAVIF prints the processor time of reducing AVIFs of 5 megapixels by planes, as a ratio of libvips' in the same run.
func BenchmarkAVIF(b *testing.B) {
	o := read(b, avifOf(b, slopes(2600, 1950), 80), nil)
	var times [2][]float64
	for range b.N {
		for i, reduce := range []func(to geometry.Size){
			func(to geometry.Size) {
				r := o.asRender()
				defer r.free()
				reduced, err := r.reduceAVIF(geometry.Size{Width: 2600, Height: 1950}, to)
				if err != nil || reduced.ptr == nil {
					b.Skip("this libheif has no planes")
				}
				reduced.free()
			},
			func(to geometry.Size) {
				r := o.asRender()
				defer r.free()
				o.byLibheifAndLibvips(b, r, to)
			},
		} {
			before := processorTime(b)
			reduce(geometry.Size{Width: 300, Height: 225})
			times[i] = append(times[i], processorTime(b)-before)
		}
	}
	for i := range times {
		slices.Sort(times[i])
	}
	middle := len(times[0]) / 2
	b.ReportMetric(times[0][middle], "ms")
	b.ReportMetric(times[1][middle], "ms-libvips")
	b.ReportMetric(times[0][middle]/times[1][middle], "ratio")
}
