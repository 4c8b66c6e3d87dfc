package engine

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/gif"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// failing is tool workers that fail with every original.
type failing struct{ as Workers }

func (f failing) Ready() worker.Ready { return f.as.Ready() }

func (failing) Several(context.Context, worker.Task, *os.File, worker.Limits, func(int, worker.Report, *os.File)) error {
	return fault.New(fault.Undecodable, "the program died")
}

func (failing) Do(context.Context, worker.Task, *os.File, time.Duration) (worker.Report, *os.File, error) {
	return worker.Report{}, nil, fault.New(fault.Undecodable, "the program died")
}

func TestGIFs(t *testing.T) {
	e := newEngines(t)
	if !slices.Contains(e.Types(), "gifsicle gif") {
		t.Skip("gifsicle is not installed")
	}
	body, err := samples.GIF(64, 3)
	if err != nil {
		t.Fatal(err)
	}
	const webP = thumbnail.FormatWebP
	for name, c := range map[string]struct {
		spec   thumbnail.Spec
		broken bool
		format thumbnail.Format
		engine string
	}{
		"stay GIFs":                    {thumbnail.Spec{}, false, thumbnail.FormatGIF, "gifsicle"},
		"become requested WebP":        {thumbnail.Spec{Format: webP}, false, webP, "vips"},
		"become the preferred format":  {thumbnail.Spec{Prefer: []thumbnail.Format{thumbnail.FormatJXL, webP}}, false, webP, "vips"},
		"do not become a still format": {thumbnail.Spec{Prefer: []thumbnail.Format{thumbnail.FormatJXL}}, false, thumbnail.FormatGIF, "gifsicle"},
		"are drawn without gifsicle":   {thumbnail.Spec{}, true, thumbnail.FormatGIF, "vips"},
	} {
		t.Run(name, func(t *testing.T) {
			used := *e
			if c.broken {
				used.config.Tools = failing{e.config.Tools}
			}
			c.spec.Type, c.spec.Width, c.spec.MaxAnimatedArea = thumbnail.TypeGIF, 32, 1<<20
			result, err := draw(t, &used, c.spec, body)
			if err != nil || result.Format != c.format || result.Engine != c.engine {
				t.Fatalf("%s by %s, %v", result.Format, result.Engine, err)
			}
			h, err := guard.Inspect(bytes.NewReader(result.Image), int64(len(result.Image)), thumbnail.TypeUnknown, 1<<20)
			if err != nil || h.Frames != 3 || h.Width != 32 {
				t.Errorf("%+v, %v", h, err)
			}
		})
	}
}

func TestAnAnimatedJXLGivesItsFirstFrame(t *testing.T) {
	e := newEngines(t)
	if !slices.Contains(e.config.Tools.Ready().Types, "draw jxl") {
		t.Skip("djxl is not installed")
	}
	g := &gif.GIF{}
	for _, c := range []color.Color{color.RGBA{255, 0, 0, 255}, color.RGBA{0, 0, 255, 255}} {
		g.Image = append(g.Image, image.NewPaletted(image.Rect(0, 0, 40, 30), color.Palette{c, color.White}))
		g.Delay = append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	result, err := draw(t, e, thumbnail.Spec{Type: thumbnail.TypeJXL, Width: 20}, asJXL(t, b.Bytes()))
	if err != nil || result.Format != thumbnail.FormatPNG || result.Engine != "djxl" {
		t.Fatalf("%s by %s, %v", result.Format, result.Engine, err)
	}
	m, _, err := image.Decode(bytes.NewReader(result.Image))
	if err != nil || m.Bounds().Dx() != 20 {
		t.Fatalf("%v, %v", m, err)
	}
	if r, _, b, _ := m.At(10, 7).RGBA(); r < 0xf000 || b > 0xfff {
		t.Errorf("%v", m.At(10, 7))
	}
}

// asJXL converts a GIF with cjxl.
func asJXL(t *testing.T, moving []byte) []byte {
	t.Helper()
	if _, err := exec.LookPath("cjxl"); err != nil {
		t.Skip("cjxl is not installed")
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.gif"), filepath.Join(dir, "out.jxl")
	err := os.WriteFile(in, moving, 0o600)
	if err == nil {
		err = exec.Command("cjxl", in, out, "--distance=0").Run()
	}
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
