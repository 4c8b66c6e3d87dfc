//go:build !race

package pipeline

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg"
	_ "image/png"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/tool/ssim"
	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// bench renders one original with real engines.
type bench struct {
	t       testing.TB
	engines *engine.Engines
	source  engine.Source
	job     *job
}

func newBenchEngines(t testing.TB) *engine.Engines {
	t.Helper()
	pool := func(kind worker.Kind) *worker.Pool {
		p, err := worker.NewPool(worker.Config{
			Kind: kind, Slots: 1, Memory: 3 << 30, TempDir: t.TempDir(), Scratch: 256 << 20, Log: slog.New(slog.DiscardHandler),
			Killed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "killed"}, []string{"reason"}),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	return engine.New(engine.Config{
		Tracer: tracing.None(), Vips: pool(worker.Vips), Tools: pool(worker.Tools),
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
}

func newBench(t testing.TB, e *engine.Engines, name string, body []byte, sharpen *thumbnail.Sharpen) *bench {
	t.Helper()
	path := filepath.Join(t.TempDir(), "original")
	if err := os.WriteFile(path, body, 0o644); err != nil { //nolint:gosec // workers run as another user
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	s := thumbnail.Spec{Original: at(name), Type: thumbnail.TypeOf(name), Width: 320, Quality: 80, Chroma: "4:2:0", Sharpen: sharpen}
	h, err := guard.Inspect(f, int64(len(body)), s.Type, 400_000_000)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t, e, engine.Source{Header: h, File: f}, &job{job: renderjob.Job{Spec: s, Bucket: bucketWidth}, maxOriginalPixels: 400_000_000}}
}

func (b *bench) render(s thumbnail.Spec, source engine.Source) engine.Result {
	b.t.Helper()
	r, err := b.engines.Render(b.t.Context(), s, source, nil, 40_000_000, time.Minute)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) direct() engine.Result { return b.render(b.job.job.Spec, b.source) }

func (b *bench) makeBucket() engine.Result {
	return b.render(bucket.Of(b.job.job.Spec, at("k"), bucketWidth).Spec, b.source)
}

// from renders the thumbnail from a bucket.
func (b *bench) from(made engine.Result) engine.Result {
	b.t.Helper()
	from, err := b.job.readBucket(made.Image, made.Sides)
	if err != nil {
		b.t.Fatal(err)
	}
	defer from.free()
	return b.render(from.spec, from.source)
}

func shown(t testing.TB, r engine.Result) image.Image {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(r.Image))
	if err != nil {
		t.Fatal(err)
	}
	rgba := image.NewRGBA(m.Bounds())
	draw.Draw(rgba, rgba.Bounds(), m, image.Point{}, draw.Src)
	return rgba
}

func alike(t testing.TB, a, b engine.Result) float64 {
	t.Helper()
	value, err := ssim.Mean(shown(t, a), shown(t, b), 255)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// pages returns a PDF of n pages of text and curves.
func pages(n int) []byte {
	var out strings.Builder
	var kids []string
	for i := range n {
		kids = append(kids, fmt.Sprintf("%d 0 R", 4+2*i))
	}
	fmt.Fprintf(&out, "%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[%s]/Count %d>>endobj\n", strings.Join(kids, " "), n)
	out.WriteString("3 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n")
	for i := range n {
		var content strings.Builder
		for line := range 60 {
			fmt.Fprintf(&content, "BT /F 11 Tf 50 %d Td (Page %d, line %d: thumbnails are made of pages that take long to draw) Tj ET\n", 790-12*line, i+1, line)
		}
		for c := range 400 {
			fmt.Fprintf(&content, "0.%d 0.3 0.6 RG %d 40 m %d %d %d %d %d 400 c S\n", c%10, c, 3*c%600, c*7%800, c*11%600, c, 590-c)
		}
		fmt.Fprintf(&out, "%d 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595.276 841.89]/Resources<</Font<</F 3 0 R>>>>/Contents %d 0 R>>endobj\n", 4+2*i, 5+2*i)
		fmt.Fprintf(&out, "%d 0 obj<</Length %d>>stream\n%sendstream endobj\n", 5+2*i, content.Len(), content.String())
	}
	out.WriteString("trailer<</Root 1 0 R>>\n")
	return []byte(out.String())
}

// benchOriginals returns one original of each kind that gets a bucket, and a JPEG, which gets none.
func benchOriginals(t testing.TB) map[string][]byte {
	t.Helper()
	must := func(body []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	all := map[string][]byte{
		"12 pages.pdf":       pages(12),
		"24 megapixels.tiff": must(samples.TIFF(samples.Landscape(6000, 4000))),
		"12 megapixels.jpg":  must(samples.JPEG(samples.Landscape(4000, 3000))),
	}
	if dir := os.Getenv("THUMBMILL_CONFORMANCE"); dir != "" {
		for _, name := range []string{"Carrie.jpg"} {
			all[name] = must(os.ReadFile(filepath.Join(dir, "originals", name)))
		}
	}
	return all
}

// sharpened returns MediaWiki's sharpening of JPEGs.
func sharpened() *thumbnail.Sharpen { return &thumbnail.Sharpen{Sigma: 0.8, Amount: 1, Ratio: 0.85} }

// A thumbnail from a bucket has the same size as a thumbnail from the original, and looks the same. The
// documentation promises the bound; docs/benchmarks.md has the figures.
func TestBucketsAreAlike(t *testing.T) {
	e := newBenchEngines(t)
	for name, body := range benchOriginals(t) {
		for how, sharpen := range map[string]*thumbnail.Sharpen{"plain": nil, "sharpened": sharpened()} {
			if strings.HasSuffix(name, ".pdf") && sharpen != nil {
				continue // sharpened PDFs have no bucket
			}
			t.Run(name+" "+how, func(t *testing.T) {
				b := newBench(t, e, name, body, sharpen)
				direct, made := b.direct(), b.makeBucket()
				got := b.from(made)
				if got.Width != direct.Width || got.Height != direct.Height || got.Format != direct.Format {
					t.Fatalf("%s of %d × %d, want %s of %d × %d", got.Format, got.Width, got.Height, direct.Format, direct.Width, direct.Height)
				}
				value := alike(t, got, direct)
				t.Logf("similarity %.4f; the bucket has %d KB of %d × %d", value, len(made.Image)>>10, made.Width, made.Height)
				if value < leastAlike {
					t.Errorf("similarity %.4f to the thumbnail from the original, below %v", value, leastAlike)
				}
			})
		}
	}
}

// leastAlike is the least structural similarity of the thumbnails from a bucket and from the original.
const leastAlike = 0.97

const benchRounds = 9

// BenchmarkBucket prints the processor times of a thumbnail of 320 pixels from its original, from its
// bucket, and with the making of the bucket, in interleaved rounds. `make bench-bucket` runs it.
func BenchmarkBucket(b *testing.B) {
	e := newBenchEngines(b)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nprocessor ms at 320 px, median of %d\tfrom the original\tfrom its bucket\tratio\tthe first, which makes the bucket\tratio\tSSIM\n", benchRounds)
	originals := benchOriginals(b)
	for name, body := range originals {
		one := newBench(b, e, name, body, nil)
		var direct, from, first []float64
		var similarity float64
		for range benchRounds {
			d := one.direct()
			made := one.makeBucket()
			f := one.from(made)
			direct, from, first = append(direct, milliseconds(d.CPU)), append(from, milliseconds(f.CPU)), append(first, milliseconds(made.CPU+f.CPU))
			similarity = alike(b, d, f)
		}
		d, f, m := middle(direct), middle(from), middle(first)
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.2f\t%.1f\t%.2f\t%.4f\n", name, d, f, f/d, m, m/d, similarity)
	}
	_ = w.Flush()
	b.ReportMetric(0, "ns/op") // the table is the result
}

func middle(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }
