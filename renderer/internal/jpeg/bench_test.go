package jpeg

import (
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"text/tabwriter"
	"time"

	"golang.org/x/image/draw"
	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/loadtest/tool/ssim"
)

// benchPairs is the number of interleaved rounds. The median of the rounds counts.
const benchPairs = 9

// BenchmarkAgainstLibrary prints the processor times of Decode and of libjpeg-turbo for the same
// planes, at N/8 of luma and chroma, in interleaved rounds. It also prints the SSIM of each decoder's
// luma against the full-size luma, reduced by a Catmull-Rom filter. THUMBMILL_CONFORMANCE adds
// photographs.
func BenchmarkAgainstLibrary(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nprocessor ms, median of %d\tscale\tours\tlibjpeg-turbo\tratio\tSSIM ours\tSSIM libjpeg-turbo\n", benchPairs)
	ratios := map[int][]float64{}
	for _, o := range benchFiles(b) {
		for scale := 1; scale <= 4; scale++ {
			ours, its := times(b, o.file, scale)
			ratios[scale] = append(ratios[scale], ours/its)
			fmt.Fprintf(w, "%s\t%d/8\t%.1f\t%.1f\t%.2f\t%.4f\t%.4f\n", o.name, scale, ours, its, ours/its,
				likeness(b, o.file, scale, Decode), likeness(b, o.file, scale, turbo))
		}
	}
	_ = w.Flush()
	for scale := 1; scale <= 4; scale++ {
		fmt.Printf("geometric mean of the ratios at %d/8: %.2f\n", scale, geometric(ratios[scale]))
	}
	b.ReportMetric(0, "ns/op") // the table is the result
}

// turbo decodes with libjpeg-turbo and its own transforms.
func turbo(file []byte, luma, chroma int) (*Planes, error) { return library(file, luma, chroma, false) }

type benchFile struct {
	name string
	file []byte
}

func benchFiles(b *testing.B) []benchFile {
	m := photograph(3000, 2000)
	files := []benchFile{
		{"drawn, 4:2:0", encoded(b, m, "-quality", "90", "-sample", "2x2")},
		{"drawn, 4:4:4", encoded(b, m, "-quality", "90", "-sample", "1x1")},
		{"drawn, progressive", encoded(b, m, "-quality", "90", "-sample", "2x2", "-progressive")},
	}
	found, _ := filepath.Glob(filepath.Join(os.Getenv("THUMBMILL_CONFORMANCE"), "originals", "*.jpg"))
	for _, path := range found {
		file, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		if p, err := Decode(file, 1, 1); err == nil {
			p.Free()
			files = append(files, benchFile{filepath.Base(path), file})
		}
	}
	return files
}

func times(b *testing.B, file []byte, scale int) (ours, its float64) {
	var mine, theirs []float64
	for range benchPairs {
		mine = append(mine, taken(b, file, scale, Decode))
		theirs = append(theirs, taken(b, file, scale, turbo))
	}
	slices.Sort(mine)
	slices.Sort(theirs)
	return mine[benchPairs/2], theirs[benchPairs/2]
}

func taken(b *testing.B, file []byte, scale int, by func([]byte, int, int) (*Planes, error)) float64 {
	start := processor(b)
	p, err := by(file, scale, scale)
	if err != nil {
		b.Fatal(err)
	}
	p.Free()
	return float64(processor(b)-start) / float64(time.Millisecond)
}

func processor(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// likeness returns the SSIM of the whole blocks of luma. It leaves out blocks at the edges, because
// their reduced size is rounded.
func likeness(b *testing.B, file []byte, scale int, by func([]byte, int, int) (*Planes, error)) float64 {
	reduced, whole := luma(b, file, scale, by), luma(b, file, 8, turbo)
	across, down := whole.Rect.Dx()/8, whole.Rect.Dy()/8
	want := image.NewGray(image.Rect(0, 0, across*scale, down*scale))
	draw.CatmullRom.Scale(want, want.Rect, whole, image.Rect(0, 0, across*8, down*8), draw.Src, nil)
	v, err := ssim.Mean(reduced.SubImage(want.Rect), want, 255)
	if err != nil {
		return math.NaN() // too small
	}
	return v
}

func luma(b *testing.B, file []byte, scale int, by func([]byte, int, int) (*Planes, error)) *image.Gray {
	p, err := by(file, scale, scale)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Free()
	y := p.Planes[0]
	m := image.NewGray(image.Rect(0, 0, y.Width, y.Height))
	for row := range y.Height {
		copy(m.Pix[row*m.Stride:], y.Row(row))
	}
	return m
}

func geometric(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(len(v)))
}
