package worker

import (
	"fmt"
	"image"
	"image/draw"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/h2non/bimg"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/tool/ssim"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/vips"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	benchPairs = 21 // interleaved rounds; the median counts
	benchWidth = 320
)

// BenchmarkAgainstLibrary prints the processor time of a render through a sandboxed worker. Beside it stand the time
// of the same library calls in this process, and the time of bimg with its cheapest filter, bilinear, which an early
// design used for plain JPEGs. It also prints the similarity of both results to ImageMagick's full reduction. Rounds
// are interleaved, because machines are noisy. `make bench-worker` runs it; THUMBMILL_CONFORMANCE adds photographs.
func BenchmarkAgainstLibrary(b *testing.B) {
	if err := vips.Init(); err != nil {
		b.Fatal(err)
	}
	p := newPool(b, 1)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nprocessor ms at %d px, q80, median of %d\tin-process\tworker\tratio (quartiles)\tbimg bilinear\tSSIM ours\tbimg's\n", benchWidth, benchPairs)
	var ours, theirs []float64
	for _, o := range benchOriginals(b) {
		mine, bimgs := bench(b, w, p, o)
		ours, theirs = append(ours, mine), append(theirs, bimgs)
	}
	_ = w.Flush()
	fmt.Printf("geometric mean through a worker: %.1f ms; bimg's in-process: %.1f ms\n", geometric(ours), geometric(theirs))
	b.ReportMetric(0, "ns/op") // the table is the result
}

func geometric(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(len(v)))
}

func benchOriginals(b *testing.B) (files []*os.File) {
	body, err := samples.JPEG(samples.Landscape(4000, 3000))
	files = append(files, original(b, body, err))
	if dir := os.Getenv("THUMBMILL_CONFORMANCE"); dir != "" {
		for _, name := range []string{"Carrie.jpg", "Munich_subway_station_Westfriedhof.jpg", "Tower.jpg", "Rostockstein.jpg"} {
			body, err := os.ReadFile(filepath.Join(dir, "originals", name))
			files = append(files, original(b, body, err))
		}
	}
	return files
}

func bench(b *testing.B, w *tabwriter.Writer, p *Pool, f *os.File) (ours, bimgs float64) {
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	h, err := guard.Inspect(f, info.Size(), thumbnail.TypeJPEG, 1<<40)
	if err != nil {
		b.Fatal(err)
	}
	s := thumbnail.Spec{Width: benchWidth, Format: thumbnail.FormatJPEG, Quality: 80, Chroma: "4:2:0", Type: thumbnail.TypeJPEG}
	inProcess := func() time.Duration {
		out, err := memoryFile()
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = out.Close() }()
		return processor(func() {
			if _, err := vips.Render(s, h, 1<<30, vips.Usual, f, out, nil); err != nil {
				b.Fatal(err)
			}
			if _, err := Contents(out); err != nil {
				b.Fatal(err)
			}
		})
	}
	var mine, theirs []byte
	throughWorker := func() time.Duration {
		var report Report
		ours := processor(func() {
			var err error
			if report, mine, err = do(b.Context(), p, Task{Spec: s, Header: h, MaxPixels: 1 << 30}, f, time.Minute); err != nil {
				b.Fatal(err)
			}
		})
		return ours + report.CPU
	}
	throughBimg := func() time.Duration {
		return processor(func() {
			body, err := os.ReadFile(f.Name())
			if err != nil {
				b.Fatal(err)
			}
			theirs, err = bimg.Resize(body, bimg.Options{
				Width: benchWidth, Height: (h.Height*benchWidth + h.Width/2) / h.Width, Force: true, Quality: 80, NoAutoRotate: true, Interpolator: bimg.Bilinear,
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
	var in, worker, other, ratios []float64
	for range benchPairs {
		a, c := inProcess(), throughWorker()
		in, worker = append(in, ms(a)), append(worker, ms(c))
		ratios = append(ratios, float64(c)/float64(a))
		other = append(other, ms(throughBimg()))
	}
	slices.Sort(ratios)
	reference := reduced(b, f.Name())
	fmt.Fprintf(w, "%d × %d, %d KB\t%.1f\t%.1f\t%.3f (%.3f–%.3f)\t%.1f\t%.4f\t%.4f\n", h.Width, h.Height, info.Size()>>10,
		median(in), median(worker), median(ratios), ratios[benchPairs/4], ratios[benchPairs*3/4], median(other),
		likeness(b, mine, reference), likeness(b, theirs, reference))
	return median(worker), median(other)
}

// reduced returns the original as ImageMagick reduces it: decoded whole, without loss.
func reduced(b *testing.B, path string) image.Image {
	out, err := exec.Command("convert", path, "-resize", strconv.Itoa(benchWidth)+"x", "png:-").Output()
	if err != nil {
		b.Fatal(err)
	}
	return decode(b, out)
}

// likeness returns the structural similarity of the common area: a side may differ by one pixel.
func likeness(b *testing.B, picture []byte, reference image.Image) float64 {
	m := decode(b, picture)
	area := m.Bounds().Intersect(reference.Bounds())
	part := func(m image.Image) image.Image {
		cut := image.NewRGBA(area)
		draw.Draw(cut, area, m, image.Point{}, draw.Src)
		return cut
	}
	value, err := ssim.Mean(part(m), part(reference), 255)
	if err != nil {
		b.Fatal(err)
	}
	return value
}

// processor returns the processor time of this process during the call.
func processor(call func()) time.Duration {
	before := cpuTime()
	call()
	return cpuTime() - before
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(v []float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	return sorted[len(sorted)/2]
}

// BenchmarkLargestUsualSize prints the processor time of a noisy photograph of 24 megapixels at 3840 pixels in each
// format, which the table of package cost estimates.
func BenchmarkLargestUsualSize(b *testing.B) {
	p := newPool(b, 1)
	picture := samples.Landscape(6000, 4000)
	noisy, noise := image.NewRGBA(picture.Bounds()), rand.New(rand.NewPCG(1, 1)) //nolint:gosec // the same picture in each run
	draw.Draw(noisy, noisy.Bounds(), picture, image.Point{}, draw.Src)
	for i := range noisy.Pix {
		noisy.Pix[i] = uint8(max(0, min(255, int(noisy.Pix[i])+int(8*noise.NormFloat64()))))
	}
	body, err := samples.JPEG(noisy)
	photo := original(b, body, err)
	h, err := guard.Inspect(photo, int64(len(body)), thumbnail.TypeJPEG, 1<<40)
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range []thumbnail.Format{thumbnail.FormatJPEG, thumbnail.FormatWebP, thumbnail.FormatAVIF, thumbnail.FormatJXL, thumbnail.FormatPNG} {
		for name, sharpen := range map[string]*thumbnail.Sharpen{"": nil, " sharpened": {Sigma: 0.8, Amount: 0.8, Ratio: 0.85}} {
			s := thumbnail.Spec{Width: 3840, Format: f, Quality: 87, Chroma: "4:2:0", Type: thumbnail.TypeJPEG, Sharpen: sharpen}
			report, _, err := do(b.Context(), p, Task{Spec: s, Header: h, MaxPixels: 1 << 30}, photo, time.Minute)
			if err != nil || report.Fault != nil {
				b.Fatal(err, report.Fault)
			}
			fmt.Printf("%s%s: %d ms for an original of %d bytes\n", f, name, report.CPU.Milliseconds(), len(body))
		}
	}
	b.ReportMetric(0, "ns/op") // the lines are the result
}
