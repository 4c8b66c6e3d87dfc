package engine

import (
	"context"
	"errors"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Several draws several specs from an original, and calls done for each in order, as soon as it is ready, with the
// result of Render. No spec may name a picture beside the original. Where libvips reads the original, one worker
// draws all specs.
//
// An error says that the time was over or that a worker died. Any of the remaining specs may be the cause: the caller
// must render each spec that got no call of done in its own task.
func (e *Engines) Several(ctx context.Context, specs []thumbnail.Spec, original Source, maxPixels int64, limits worker.Limits, done func(i int, r Result, err error)) error {
	task := worker.Task{Specs: specs, Header: original.Header, MaxPixels: maxPixels, Yields: original.Yields, Effort: original.Effort}
	row, err := e.row(original.Header.Type)
	if err != nil || !readsAll(row, original.Header) {
		return e.oneByOne(ctx, specs, original, maxPixels, limits, done)
	}
	var search time.Duration
	if task.Specs, search = e.withFacesOnce(ctx, specs, original, maxPixels, limits); !task.Fits() {
		return e.oneByOne(ctx, task.Specs, original, maxPixels, limits, done)
	}
	ctx, span := e.config.Tracer.Start(ctx, "vips", trace.WithAttributes(
		attribute.String("thumbmill.type", string(task.Header.Type)), attribute.Int("thumbmill.specs", len(specs))))
	defer span.End()
	return e.config.Vips.Several(ctx, task, original.File, limits, func(i int, report worker.Report, image *os.File) {
		r := render{tracer: e.config.Tracer, ctx: ctx, deadline: time.Now().Add(limits.Each), result: Result{Engine: row.engine}}
		err := r.takeReport(report, image)
		if err == nil {
			e.optimize(&r)
		}
		if i == 0 {
			r.result.CPU += search
		}
		done(i, r.result, err)
	})
}

// readsAll reports whether libvips reads the original for every thumbnail.
func readsAll(r row, h guard.Header) bool {
	switch r.original {
	case thumbnail.TypeHEIC, thumbnail.TypeAVIF: // ffmpeg draws a thumbnail where libvips fails
		return !h.Sequence && h.Frames <= 1
	default:
		return r.engine == "vips" && !h.ByTool && h.Frames <= 1 // with more frames, a tool may write the animation
	}
}

// takeReport reads a worker's report and image into the result.
func (r *render) takeReport(report worker.Report, image *os.File) (err error) {
	r.result.CPU = report.CPU
	if report.Fault != nil {
		return report.Fault
	}
	r.result.Format, r.result.Width, r.result.Height = report.Format, report.Width, report.Height
	if r.result.Image, err = worker.Contents(image); err != nil {
		return fault.Wrap(err, fault.Internal, "cannot read a thumbnail from its worker")
	}
	return nil
}

// oneByOne draws each spec in its own task.
func (e *Engines) oneByOne(ctx context.Context, specs []thumbnail.Spec, original Source, maxPixels int64, limits worker.Limits, done func(i int, r Result, err error)) error {
	end := time.Now().Add(limits.Whole)
	for i, s := range specs {
		r, err := e.Render(ctx, s, original, nil, maxPixels, min(limits.Each, time.Until(end)))
		if endsAll(err) {
			return err
		}
		done(i, r, err)
	}
	return nil
}

// endsAll reports whether an error ends the remaining specs too.
func endsAll(err error) bool {
	return errors.Is(err, worker.ErrDied) || worker.Exceeded(err) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
