package engine

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	_ "image/jpeg"
	_ "image/png"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	_ "golang.org/x/image/webp"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/component"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

func TestMain(m *testing.M) {
	if worker.Asked() {
		os.Exit(worker.Main())
	}
	goleak.VerifyTestMain(m)
}

func newEngines(t *testing.T, optimize ...thumbnail.Format) *Engines {
	t.Helper()
	return enginesWith(t, "", optimize...)
}

// enginesWith returns engines with a folder of programs beside the system's.
func enginesWith(t *testing.T, programs string, optimize ...thumbnail.Format) *Engines {
	t.Helper()
	pool := func(kind worker.Kind) *worker.Pool {
		p, err := worker.NewPool(worker.Config{
			Kind: kind, Slots: 1, Memory: 3 << 30, TempDir: t.TempDir(), Scratch: 64 << 20, Log: slog.New(slog.DiscardHandler), Programs: programs,
			Killed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "killed"}, []string{"reason"}),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	return New(Config{
		Tracer: tracing.None(),
		Vips:   pool(worker.Vips), Tools: pool(worker.Tools), Optimize: optimize,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
}

func draw(t *testing.T, e *Engines, s thumbnail.Spec, body []byte) (Result, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "original")
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	h, err := guard.Inspect(f, int64(len(body)), s.Type, 400_000_000)
	if err != nil {
		return Result{}, err
	}
	if s.Quality == 0 {
		s.Quality, s.Chroma = 87, "4:2:0"
	}
	return e.Render(context.Background(), s, Source{Header: h, File: f}, nil, 40_000_000, 20*time.Second)
}

// made returns a file that a program writes from a picture. It skips the test without the program.
func made(t *testing.T, out, program string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	dir := t.TempDir()
	picture := samples.Landscape(160, 120)
	png, err := samples.PNG(picture)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "in.png"), png, 0o600)
	}
	ppm := []byte("P6\n160 120\n255\n")
	for c := range slices.Chunk(picture.Pix, 4) {
		ppm = append(ppm, c[:3]...)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "in.ppm"), ppm, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, text)
	}
	body, err := os.ReadFile(filepath.Join(dir, out))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="160" height="120">
<switch><rect systemLanguage="fr" width="160" height="120" fill="blue"/><rect width="160" height="120" fill="red"/></switch></svg>`

const page = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R 5 0 R]/Count 2>>endobj\n" +
	"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 160 120]/Contents 4 0 R>>endobj\n4 0 obj<</Length 30>>stream\n1 0 0 rg 0 0 160 120 re f      \nendstream endobj\n" +
	"5 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 160 120]/Contents 6 0 R>>endobj\n6 0 obj<</Length 30>>stream\n0 0 1 rg 0 0 160 120 re f      \nendstream endobj\n" +
	"trailer<</Root 1 0 R>>\n"

const tetrahedron = "solid a\nfacet\nvertex 0 0 0\nvertex 9 0 0\nvertex 0 9 0\nendfacet\nfacet\nvertex 0 0 0\nvertex 9 0 0\nvertex 0 0 9\nendfacet\n"

// Versions has the versions of libraries and of tools.
func TestVersions(t *testing.T) {
	e := newEngines(t)
	for _, name := range []string{component.Libvips, component.Libtiff, component.Libwebp, component.LibjpegTurbo} {
		if version := e.Versions()[name]; component.Find(version) != version || version == "" {
			t.Errorf("%s: %q", name, version)
		}
	}
	for _, tool := range []struct{ name, program string }{
		{component.Librsvg, "rsvg-convert"}, {component.Poppler, "pdftoppm"}, {component.DjVuLibre, "ddjvu"},
		{component.FFmpeg, "ffmpeg"}, {component.Gifsicle, "gifsicle"}, {component.OptiPNG, "optipng"},
	} {
		_, err := exec.LookPath(tool.program)
		if has := e.Versions()[tool.name] != ""; has != (err == nil) {
			t.Errorf("%s: version %q, but looking for the program gives %v", tool.name, e.Versions()[tool.name], err)
		}
	}
	t.Log(e.Versions())
}

// The engines draw every type at the requested size.
func TestEveryType(t *testing.T) {
	e := newEngines(t)
	for _, c := range []struct {
		of     thumbnail.Type
		engine string
		body   func(*testing.T) []byte
	}{
		{thumbnail.TypeSVG, "rsvg", func(*testing.T) []byte { return []byte(drawing) }},
		{thumbnail.TypePDF, "poppler", func(*testing.T) []byte { return []byte(page) }},
		{thumbnail.TypeSTL, "solid", func(*testing.T) []byte { return []byte(tetrahedron) }},
		{thumbnail.TypeDjVu, "djvulibre", func(t *testing.T) []byte { return made(t, "out.djvu", "c44", "in.ppm", "out.djvu") }},
		{thumbnail.TypeVideo, "ffmpeg", func(t *testing.T) []byte {
			return made(t, "out.webm", "ffmpeg", "-v", "error", "-loop", "1", "-i", "in.png", "-t", "2", "-r", "5", "-c:v", "libvpx", "out.webm")
		}},
		{thumbnail.TypeHEIC, "vips", func(t *testing.T) []byte { return made(t, "out.heic", "heif-enc", "in.png", "-o", "out.heic") }},
		{thumbnail.TypeAVIF, "vips", func(t *testing.T) []byte { return made(t, "out.avif", "heif-enc", "-A", "in.png", "-o", "out.avif") }},
		{thumbnail.TypeJP2, "openjpeg", func(t *testing.T) []byte { return made(t, "out.jp2", "convert", "in.png", "out.jp2") }},
		{thumbnail.TypeGIF, "gifsicle", func(t *testing.T) []byte { body, err := samples.GIF(160, 3); must(t, err); return body }},
	} {
		t.Run(string(c.of), func(t *testing.T) {
			r, err := draw(t, e, thumbnail.Spec{Type: c.of, Width: 80, MaxAnimatedArea: 1e6}, c.body(t))
			if err != nil || r.Engine != c.engine || r.Width != 80 {
				t.Fatalf("%s, %d × %d, %v", r.Engine, r.Width, r.Height, err)
			}
			m, _, err := image.Decode(bytes.NewReader(r.Image))
			if err != nil || m.Bounds().Dx() != 80 || m.Bounds().Dy() != r.Height {
				t.Errorf("%v, %v", m.Bounds(), err)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// colour returns the colour in the middle of a thumbnail.
func colour(t *testing.T, r Result, err error) color.NRGBA {
	t.Helper()
	must(t, err)
	m, _, err := image.Decode(bytes.NewReader(r.Image))
	must(t, err)
	return color.NRGBAModel.Convert(m.At(m.Bounds().Dx()/2, m.Bounds().Dy()/2)).(color.NRGBA)
}

// The language and the page change the thumbnail; an absent page gives the first page.
func TestLanguagesAndPages(t *testing.T) {
	e := newEngines(t)
	for name, c := range map[string]struct {
		spec thumbnail.Spec
		body string
		blue bool
	}{
		"no language": {thumbnail.Spec{Type: thumbnail.TypeSVG}, drawing, false},
		"French":      {thumbnail.Spec{Type: thumbnail.TypeSVG, Lang: "fr"}, drawing, true},
		"no page":     {thumbnail.Spec{Type: thumbnail.TypePDF}, page, false},
		"second page": {thumbnail.Spec{Type: thumbnail.TypePDF, Page: 2}, page, true},
		"absent page": {thumbnail.Spec{Type: thumbnail.TypePDF, Page: 9}, page, false},
	} {
		c.spec.Width, c.spec.Format = 80, thumbnail.FormatPNG
		r, err := draw(t, e, c.spec, []byte(c.body))
		if got := colour(t, r, err); (got.B > 200) != c.blue || (got.R > 200) == c.blue {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A GIF keeps all frames within the allowed area, otherwise the first. libvips does more than cutting and resizing.
func TestAnimations(t *testing.T) {
	e := newEngines(t)
	body, err := samples.GIF(100, 4)
	must(t, err)
	for name, c := range map[string]struct {
		spec   thumbnail.Spec
		frames int
		size   image.Point
	}{
		"all frames":  {thumbnail.Spec{Width: 50, MaxAnimatedArea: 40_000}, 4, image.Pt(50, 50)},
		"too many":    {thumbnail.Spec{Width: 50, MaxAnimatedArea: 39_999}, 1, image.Pt(50, 50)},
		"enlarged":    {thumbnail.Spec{Width: 400, Enlarge: true, MaxAnimatedArea: 1e8}, 4, image.Pt(400, 400)},
		"too large":   {thumbnail.Spec{Width: 1600, Enlarge: true, MaxAnimatedArea: 1e8}, 1, image.Pt(1600, 1600)},
		"cut":         {thumbnail.Spec{Width: 50, Height: 20, MaxAnimatedArea: 1e6}, 4, image.Pt(50, 20)},
		"upside down": {thumbnail.Spec{Width: 50, FlipY: true, MaxAnimatedArea: 1e6}, 4, image.Pt(50, 50)},
	} {
		c.spec.Type = thumbnail.TypeGIF
		r, err := draw(t, e, c.spec, body)
		must(t, err)
		g, err := gif.DecodeAll(bytes.NewReader(r.Image))
		must(t, err)
		if size := image.Pt(g.Config.Width, g.Config.Height); len(g.Image) != c.frames || size != c.size {
			t.Errorf("%s: %d frames of %v", name, len(g.Image), size)
		}
	}
}

// A GIF and a WebP stay animated as WebP.
func TestAnimatedWebP(t *testing.T) {
	e := newEngines(t)
	body, err := samples.GIF(100, 4)
	must(t, err)
	inspect := func(r Result) guard.Header {
		h, err := guard.Inspect(bytes.NewReader(r.Image), int64(len(r.Image)), thumbnail.TypeWebP, 1e9)
		must(t, err)
		return h
	}
	r, err := draw(t, e, thumbnail.Spec{Type: thumbnail.TypeGIF, Width: 60, Format: thumbnail.FormatWebP, MaxAnimatedArea: 1e6}, body)
	must(t, err)
	if h := inspect(r); h.Frames != 4 || h.Width != 60 || h.Height != 60 || r.Height != 60 {
		t.Errorf("from GIF: %+v", h)
	}
	for area, frames := range map[int64]int{1e6: 4, 100: 1} {
		small, err := draw(t, e, thumbnail.Spec{Type: thumbnail.TypeWebP, Width: 30, MaxAnimatedArea: area}, r.Image)
		must(t, err)
		if h := inspect(small); h.Frames != frames || h.Width != 30 || h.Height != 30 {
			t.Errorf("from WebP, within an area of %d: %+v", area, h)
		}
	}
}

func TestOptimizers(t *testing.T) {
	plain, optimizing := newEngines(t), newEngines(t, thumbnail.FormatJPEG, thumbnail.FormatPNG, thumbnail.FormatGIF)
	body, err := samples.PNG(samples.Landscape(500, 350))
	must(t, err)
	for _, f := range []thumbnail.Format{thumbnail.FormatJPEG, thumbnail.FormatPNG, thumbnail.FormatGIF, thumbnail.FormatWebP} {
		s := thumbnail.Spec{Type: thumbnail.TypePNG, Width: 450, Format: f}
		before, err := draw(t, plain, s, body)
		must(t, err)
		after, err := draw(t, optimizing, s, body)
		must(t, err)
		if len(after.Image) > len(before.Image) {
			t.Errorf("%s: %d bytes became %d", f, len(before.Image), len(after.Image))
		}
		if f == thumbnail.FormatJPEG && len(after.Image) == len(before.Image) {
			t.Error("the optimizer did not shrink a baseline JPEG")
		}
	}
}

// lacking is the workers of a machine that lacks the work on a type or format.
type lacking struct {
	Workers
	what string
}

func (l lacking) Ready() worker.Ready {
	r := l.Workers.Ready()
	r.Types = slices.DeleteFunc(slices.Clone(r.Types), func(name string) bool { return strings.HasSuffix(name, " "+l.what) })
	return r
}

func TestAnAbsentToolIsRefusedClearly(t *testing.T) {
	e := newEngines(t)
	e.config.Tools = lacking{e.config.Tools, "svg"}
	_, err := draw(t, e, thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 80}, []byte(drawing))
	if !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "svg") || slices.Contains(e.Types(), "rsvg svg") {
		t.Errorf("%v, %v", err, e.Types())
	}
}

// A drawing cannot show the machine's files.
func TestOutsideReferences(t *testing.T) {
	e := newEngines(t)
	secret := filepath.Join(t.TempDir(), "secret.png")
	body, err := samples.PNG(samples.Landscape(50, 50))
	must(t, err)
	must(t, os.WriteFile(secret, body, 0o644))
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="80" height="80">
<rect width="80" height="80" fill="red"/><image xlink:href="file://%s" width="80" height="80"/></svg>`, secret)
	r, err := draw(t, e, thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 80, Format: thumbnail.FormatPNG}, []byte(svg))
	if got := colour(t, r, err); got.R != 255 || got.G != 0 {
		t.Errorf("the drawing shows the file: %v", got)
	}
}
