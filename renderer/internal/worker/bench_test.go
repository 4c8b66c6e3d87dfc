package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/h2non/bimg"

	"github.com/thumbmill/thumbmill/loadtest/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/vips"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	benchPairs = 21 // interleaved rounds, of which the median counts
	benchWidth = 320
)

// BenchmarkAgainstLibrary prints the processor time of a render through a worker
// beside that of the same library calls in this process, and of bimg, which the
// design first had in mind for plain JPEGs. Rounds are interleaved, since
// machines are noisy; `make bench-worker` runs it. THUMBMILL_CONFORMANCE adds
// photographs.
func BenchmarkAgainstLibrary(b *testing.B) {
	if err := vips.Init(); err != nil {
		b.Fatal(err)
	}
	p := newPool(b, 1)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nprocessor ms at %d px, q80, median of %d\tin-process\tworker\tratio (quartiles)\tbimg in-process\n", benchWidth, benchPairs)
	for _, o := range benchOriginals(b) {
		bench(b, w, p, o)
	}
	_ = w.Flush()
	b.ReportMetric(0, "ns/op") // the table is the result
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

func bench(b *testing.B, w *tabwriter.Writer, p *Pool, f *os.File) {
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	h, err := guard.Inspect(f, info.Size(), thumbnail.TypeJPEG, 1<<40)
	if err != nil {
		b.Fatal(err)
	}
	s := thumbnail.Spec{Width: benchWidth, Format: thumbnail.FormatJPEG, Quality: 80, Chroma: "4:2:0"}
	inProcess := func() time.Duration {
		out, err := memoryFile()
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = out.Close() }()
		return processor(func() {
			if _, err := vips.Render(s, h, 1<<30, f, out); err != nil {
				b.Fatal(err)
			}
			if _, err := Contents(out); err != nil {
				b.Fatal(err)
			}
		})
	}
	throughWorker := func() time.Duration {
		var report Report
		ours := processor(func() {
			var err error
			if report, _, err = do(b.Context(), p, Task{Spec: s, Header: h, MaxPixels: 1 << 30}, f, time.Minute); err != nil {
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
			height := h.Height * benchWidth / h.Width
			if _, err := bimg.Resize(body, bimg.Options{Width: benchWidth, Height: height, Force: true, Quality: 80, NoAutoRotate: true}); err != nil {
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
	fmt.Fprintf(w, "%d × %d, %d KB\t%.1f\t%.1f\t%.3f (%.3f–%.3f)\t%.1f\n", h.Width, h.Height, info.Size()>>10,
		median(in), median(worker), median(ratios), ratios[benchPairs/4], ratios[benchPairs*3/4], median(other))
}

// processor is the processor time of this process during the call.
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
