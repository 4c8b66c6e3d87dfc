package renderer

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/component"
	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/pipeline"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// engines renders thumbnails, and lists the types that it can read.
type engines interface {
	pipeline.Engines
	Types() []string
}

// instead renders with Config.Render, without workers.
type instead struct {
	render func(ctx context.Context, s thumbnail.Spec) ([]byte, error)
}

// Render calls Config.Render with a worker's time limit. It returns a fault Overran after the limit.
func (i instead) Render(ctx context.Context, s thumbnail.Spec, _ engine.Source, _ []engine.Source, _ int64, within time.Duration) (engine.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	image, err := i.render(ctx, s)
	if err != nil && ctx.Err() != nil {
		err = fault.Wrap(err, fault.Overran, "the render exceeded its time limit")
	}
	return engine.Result{Image: image, Format: thumbnail.FormatJPEG, Width: s.Width, Height: s.Width, Engine: "instead"}, err
}

// Several renders the specs one after the other. It stops at the first that exceeds its time limit.
func (i instead) Several(ctx context.Context, specs []thumbnail.Spec, original engine.Source, maxPixels int64, limits worker.Limits, done func(i int, r engine.Result, err error)) error {
	for n, s := range specs {
		r, err := i.Render(ctx, s, original, nil, maxPixels, limits.Each)
		if fault.Is(err, fault.Overran) {
			return err
		}
		done(n, r, err)
	}
	return nil
}

func (instead) Version() string              { return "instead" }
func (instead) Versions() component.Versions { return nil }
func (instead) Types() []string              { return nil }
