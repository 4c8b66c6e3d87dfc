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

// engines are what renders, and tells of which types.
type engines interface {
	pipeline.Engines
	Types() []string
}

// instead renders without workers, by Config.Render.
type instead struct {
	render func(ctx context.Context, s thumbnail.Spec) ([]byte, error)
}

// Render gives a render the time that a worker would have.
func (i instead) Render(ctx context.Context, s thumbnail.Spec, _ engine.Source, _ []engine.Source, _ int64, within time.Duration) (engine.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	image, err := i.render(ctx, s)
	if err != nil && ctx.Err() != nil {
		err = fault.Wrap(err, fault.Overran, "the render took longer than it may")
	}
	return engine.Result{Image: image, Format: thumbnail.FormatJPEG, Width: s.Width, Height: s.Width, Engine: "instead"}, err
}

// Several renders one after the other.
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
