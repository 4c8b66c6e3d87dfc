package engine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// counting counts the tasks of workers; with fail, each task after the first fails.
type counting struct {
	as              Workers
	tasks, together int
	fail            error
}

func (c *counting) Do(ctx context.Context, t worker.Task, original *os.File, within time.Duration) (worker.Report, *os.File, error) {
	if c.tasks++; c.fail != nil && c.tasks > 1 {
		return worker.Report{}, nil, c.fail
	}
	return c.as.Do(ctx, t, original, within)
}

func (c *counting) Ready() worker.Ready { return c.as.Ready() }

func (c *counting) Several(ctx context.Context, t worker.Task, original *os.File, limits worker.Limits, done func(int, worker.Report, *os.File)) error {
	c.together++
	return c.as.Several(ctx, t, original, limits, done)
}

// opened writes an original, and returns the opened file with its header.
func opened(t *testing.T, body []byte) Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "original")
	err := os.WriteFile(path, body, 0o644)
	var f *os.File
	if err == nil {
		f, err = os.Open(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	h, err := guard.Inspect(f, int64(len(body)), "", 400_000_000)
	if err != nil {
		t.Fatal(err)
	}
	return Source{Header: h, File: f}
}

func widths(format thumbnail.Format, all ...int) (specs []thumbnail.Spec) {
	for _, w := range all {
		specs = append(specs, thumbnail.Spec{Width: w, Format: format, Quality: 87, Chroma: "4:2:0"})
	}
	return specs
}

var ample = worker.Limits{Each: 20 * time.Second, Whole: time.Minute}

func TestSeveralEqualSingleRenders(t *testing.T) {
	png, err := samples.PNG(samples.Landscape(160, 120))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body            func(*testing.T) []byte
		alone, together int // tasks of libvips workers for three specs
	}{
		"a picture that libvips reads": {func(*testing.T) []byte { return png }, 0, 1},
		"a picture that a tool draws":  {func(t *testing.T) []byte { return made(t, "out.bmp", "convert", "in.png", "out.bmp") }, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngines(t, thumbnail.FormatPNG)
			source, specs := opened(t, c.body(t)), widths(thumbnail.FormatPNG, 40, 10, 80)
			vips := &counting{as: e.config.Vips}
			e.config.Vips = vips
			got := map[int]Result{}
			err := e.Several(t.Context(), specs, source, 1_000_000, ample, func(i int, r Result, err error) {
				if err != nil || len(got) != i {
					t.Errorf("%d after %d: %v", i, len(got), err)
				}
				got[i] = r
			})
			if err != nil || vips.tasks != c.alone || vips.together != c.together {
				t.Errorf("%d tasks alone, %d together, %v", vips.tasks, vips.together, err)
			}
			for i, s := range specs {
				want, err := e.Render(t.Context(), s, source, nil, 1_000_000, 20*time.Second)
				if g := got[i]; err != nil || !bytes.Equal(g.Image, want.Image) || g.Engine != want.Engine || g.Format != want.Format || g.Width != want.Width {
					t.Errorf("%d px: %+v, alone %+v, %v", s.Width, g, want, err)
				}
			}
		})
	}
}

func TestAWorkersEndEndsSeveral(t *testing.T) {
	body := made(t, "out.bmp", "convert", "in.png", "out.bmp")
	for name, c := range map[string]struct {
		fail  error
		heard int // of three specs
	}{
		"the worker dies":           {worker.ErrDied, 1},
		"the render takes too long": {fault.New(fault.Overran, "long"), 1},
		"the context ends":          {context.Canceled, 1},
		"one spec fails":            {fault.New(fault.Undecodable, "bad"), 3},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngines(t)
			e.config.Vips = &counting{as: e.config.Vips, fail: c.fail}
			heard := 0
			err := e.Several(t.Context(), widths(thumbnail.FormatPNG, 40, 10, 80), opened(t, body), 1_000_000, ample, func(int, Result, error) { heard++ })
			if heard != c.heard || (err == nil) != (c.heard == 3) || err != nil && !errors.Is(err, c.fail) {
				t.Errorf("%d calls of done, %v", heard, err)
			}
		})
	}
}
