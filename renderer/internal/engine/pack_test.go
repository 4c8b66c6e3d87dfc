package engine

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// withoutPackers is the tool workers of a machine without avifenc.
type withoutPackers struct{ as Workers }

func (w withoutPackers) Do(ctx context.Context, t worker.Task, original *os.File, within time.Duration) (worker.Report, *os.File, error) {
	return w.as.Do(ctx, t, original, within)
}

func (w withoutPackers) Several(ctx context.Context, t worker.Task, original *os.File, limits worker.Limits, done func(int, worker.Report, *os.File)) error {
	return w.as.Several(ctx, t, original, limits, done)
}

func (w withoutPackers) Ready() worker.Ready {
	r := w.as.Ready()
	r.Types = slices.DeleteFunc(slices.Clone(r.Types), func(name string) bool { return name == "pack avif" })
	return r
}

func TestAnimatedAVIF(t *testing.T) {
	e := newEngines(t)
	if !slices.Contains(e.config.Tools.Ready().Types, "pack avif") {
		t.Skip("avifenc is not installed")
	}
	moving, still := blinking(t, 3), blinking(t, 1)
	for name, c := range map[string]struct {
		spec   thumbnail.Spec
		body   []byte
		lacks  bool
		format thumbnail.Format
		brand  string // of the file
	}{
		"from a GIF":                           {thumbnail.Spec{Format: thumbnail.FormatAVIF}, moving, false, thumbnail.FormatAVIF, "avis"},
		"when preferred":                       {thumbnail.Spec{Prefer: []thumbnail.Format{thumbnail.FormatAVIF, thumbnail.FormatWebP}}, moving, false, thumbnail.FormatAVIF, "avis"},
		"is a still picture for one frame":     {thumbnail.Spec{Format: thumbnail.FormatAVIF}, still, false, thumbnail.FormatAVIF, "avif"},
		"shows one frame without avifenc":      {thumbnail.Spec{Format: thumbnail.FormatAVIF}, moving, true, thumbnail.FormatAVIF, "avif"},
		"loses its preference without avifenc": {thumbnail.Spec{Prefer: []thumbnail.Format{thumbnail.FormatAVIF, thumbnail.FormatWebP}}, moving, true, thumbnail.FormatWebP, "WEBP"},
	} {
		t.Run(name, func(t *testing.T) {
			used := *e
			if c.lacks {
				used.config.Tools = withoutPackers{e.config.Tools}
			}
			c.spec.Type, c.spec.Width, c.spec.MaxAnimatedArea = thumbnail.TypeGIF, 32, 1<<20
			result, err := draw(t, &used, c.spec, c.body)
			if err != nil || result.Format != c.format || result.Width != 32 || result.Height != 24 {
				t.Fatalf("%+v, %v", result, err)
			}
			if brand := string(result.Image[8:12]); brand != c.brand {
				t.Errorf("the file has brand %q, want %q", brand, c.brand)
			}
		})
	}
}

// ffprobe reads the track that avifenc wrote. ffprobe 7 also lists the still picture, of one second.
func TestAnimatedAVIFKeepsFramesAndDelays(t *testing.T) {
	e := newEngines(t)
	if _, err := exec.LookPath("ffprobe"); err != nil || !slices.Contains(e.config.Tools.Ready().Types, "pack avif") {
		t.Skip("avifenc or ffprobe is not installed")
	}
	result, err := draw(t, e, thumbnail.Spec{Type: thumbnail.TypeGIF, Format: thumbnail.FormatAVIF, Width: 32, MaxAnimatedArea: 1 << 20}, blinking(t, 4))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "made.avif")
	if err := os.WriteFile(path, result.Image, 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "packet=stream_index,duration_time", "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	tracks := map[string][]string{}
	for _, packet := range regexp.MustCompile(`(?m)^(\d+),(\d\.\d\d)`).FindAllStringSubmatch(string(said), -1) {
		tracks[packet[1]] = append(tracks[packet[1]], packet[2])
	}
	shown := slices.ContainsFunc(slices.Collect(maps.Values(tracks)), func(track []string) bool {
		return slices.Equal(track, []string{"0.20", "0.40", "0.60", "0.80"})
	})
	if !shown {
		t.Errorf("no track has frames of 0.2, 0.4, 0.6 and 0.8 seconds: %v", tracks)
	}
}

// blinking returns a GIF of red and blue frames. Each frame lasts 0.2 s longer than the frame before.
func blinking(t *testing.T, frames int) []byte {
	t.Helper()
	g := &gif.GIF{}
	for i := range frames {
		colours := color.Palette{color.RGBA{R: 255, A: 255}, color.RGBA{B: 255, A: 255}}
		m := image.NewPaletted(image.Rect(0, 0, 64, 48), colours)
		for p := range m.Pix {
			m.Pix[p] = uint8(i % 2)
		}
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 20*(i+1))
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A GIF becomes a video with its frames and their durations. Odd sides become even.
func TestMP4OfAnimations(t *testing.T) {
	e := newEngines(t)
	if _, err := exec.LookPath("ffprobe"); err != nil || !slices.Contains(e.config.Tools.Ready().Types, "pack mp4") {
		t.Skip("ffmpeg or ffprobe is not installed")
	}
	s := thumbnail.Spec{Type: thumbnail.TypeGIF, Format: thumbnail.FormatMP4, Width: 31, MaxAnimatedArea: 1 << 20}
	result, err := draw(t, e, s, blinking(t, 4))
	if err != nil || result.Format != thumbnail.FormatMP4 {
		t.Fatalf("%+v, %v", result, err)
	}
	if format, _ := thumbnail.SniffFormat(result.Image); format != thumbnail.FormatMP4 {
		t.Errorf("the file begins with %q", result.Image[:12])
	}
	path := filepath.Join(t.TempDir(), "made.mp4")
	if err := os.WriteFile(path, result.Image, 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height,pix_fmt:packet=pts_time", "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	times := regexp.MustCompile(`(?m)^\d\.\d+`).FindAllString(string(said), -1)
	slices.Sort(times)
	if want := []string{"0.000000", "0.200000", "0.600000", "1.200000"}; len(times) < 4 || !slices.Equal(times[:4], want) || !bytes.Contains(said, []byte("h264,32,24,yuv420p")) {
		t.Errorf("frames at %v, want %v; ffprobe says %s", times, want, said)
	}
	if result, err := draw(t, e, s, blinking(t, 1)); err != nil || result.Format != thumbnail.FormatGIF {
		t.Errorf("one frame: %+v, %v, want a GIF", result, err)
	}
}

// max_bytes lowers the quality of formats that a program packs, too.
func TestMaxBytesOfAnimations(t *testing.T) {
	e := newEngines(t)
	for _, format := range []thumbnail.Format{thumbnail.FormatAVIF, thumbnail.FormatMP4, thumbnail.FormatWebP} {
		t.Run(string(format), func(t *testing.T) {
			if format != thumbnail.FormatWebP && !slices.Contains(e.config.Tools.Ready().Types, "pack "+string(format)) {
				t.Skip("the program is not installed")
			}
			s := thumbnail.Spec{Type: thumbnail.TypeGIF, Format: format, MaxAnimatedArea: 1 << 20}
			usual, err := draw(t, e, s, noisy(t))
			if err != nil {
				t.Fatal(err)
			}
			s.MaxBytes = len(usual.Image) * 2 / 3
			small, err := draw(t, e, s, noisy(t))
			if err != nil || len(small.Image) > s.MaxBytes || small.Format != format {
				t.Errorf("%d bytes with a bound, %d without: %v", len(small.Image), len(usual.Image), err)
			}
		})
	}
}

// noisy returns a GIF of three frames of noise.
func noisy(t *testing.T) []byte {
	t.Helper()
	g := &gif.GIF{}
	for i := range 3 {
		m := image.NewPaletted(image.Rect(0, 0, 64, 48), palette.Plan9)
		for p := range m.Pix {
			m.Pix[p] = uint8((p*p*31 + p*i*7) >> 3)
		}
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A text is drawn in its colour, at its place, on any original.
func TestTexts(t *testing.T) {
	e := newEngines(t)
	body, err := samples.PNG(image.NewRGBA(image.Rect(0, 0, 200, 100)))
	if err != nil {
		t.Fatal(err)
	}
	text := thumbnail.Operation{Name: thumbnail.StepText, Text: "mill", Color: "00ff00ff", Word: "0", Word2: "0", Args: []float64{0, 40}}
	other := thumbnail.Operation{Name: thumbnail.StepText, Text: "mill", Color: "ff0000ff", Word: "-0", Word2: "-0", Args: []float64{0, 40}, Font: "Serif Bold"}
	s := thumbnail.Spec{Type: thumbnail.TypePNG, Format: thumbnail.FormatPNG, Operations: []thumbnail.Operation{text, other}}
	result, err := draw(t, e, s, body)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := image.Decode(bytes.NewReader(result.Image))
	if err != nil {
		t.Fatal(err)
	}
	count := func(r image.Rectangle, red, green uint32) (n int) {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				if r, g, _, a := m.At(x, y).RGBA(); r>>8 == red && g>>8 == green && a>>8 == 255 {
					n++
				}
			}
		}
		return n
	}
	upper, lower := image.Rect(0, 0, 100, 50), image.Rect(100, 50, 200, 100)
	if count(upper, 0, 255) < 100 || count(lower, 0, 255) > 0 || count(lower, 255, 0) < 100 || count(upper, 255, 0) > 0 {
		t.Errorf("green %d and %d, red %d and %d", count(upper, 0, 255), count(lower, 0, 255), count(upper, 255, 0), count(lower, 255, 0))
	}
}
