package pipeline

import (
	"context"
	"crypto/md5" //nolint:gosec // ETags are MD5, as in Swift
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// attempts is the number of tries of a render whose workers die.
const attempts = 3

// render waits for a slot and renders the thumbnail, with the siblings if there are any.
func (j *job) render(ctx context.Context, drain <-chan struct{}, original engine.Source, overlays []engine.Source, version string) ([]byte, error) {
	j.now.Store("waits for a slot")
	if err := j.slots.acquire(ctx, drain); err != nil {
		return nil, err
	}
	defer j.slots.release()
	j.now.Store("render")
	began := time.Now()
	ctx, span := j.tracer.Start(ctx, "render")
	defer func() { span.End(); j.metrics.step("render", began) }()
	if j.renderTogether(ctx, original, version) {
		return j.drawn.image, j.drawn.err
	}
	result, err := j.draw(ctx, original, overlays)
	if err == nil {
		err = j.checkDrawn(original.Header, result)
	}
	if err == nil {
		j.note(result, time.Since(began))
		j.learnCost(original.Header, j.bytes, result.CPU)
	}
	return result.Image, err
}

// attempt renders a spec, and tries another worker if a worker dies, up to three in all. It returns
// intake.ErrSlow if a first try takes too long, and the job has time for a second try.
func (j *job) attempt(ctx context.Context, s thumbnail.Spec, original engine.Source, overlays []engine.Source) (engine.Result, error) {
	for range attempts {
		began := time.Now()
		result, err := j.try(ctx, s, original, overlays)
		j.spent(result.CPU, err)
		if errors.Is(err, worker.ErrDied) {
			j.log.Warn("try a render again after its worker died", "original", j.job.Spec.Original, "error", err)
			original, overlays = careful(original, overlays)
			continue
		}
		if worker.Exceeded(err) && j.isFirstTry(original, overlays) && j.delivery.Left() > deadline.FirstTry {
			j.log.Info("hand a slow render to the bulk lane", "original", j.job.Spec.Original, "type", original.Header.Type)
			return engine.Result{}, intake.ErrSlow
		}
		j.countRender(ctx, original, result, err, time.Since(began))
		return result, err
	}
	return engine.Result{}, fault.New(fault.WorkerKilled, "%d workers died while they rendered the original", attempts)
}

// careful returns the sources for another try after a worker died of one of them.
func careful(original engine.Source, overlays []engine.Source) (engine.Source, []engine.Source) {
	original.Careful = true
	overlays = slices.Clone(overlays)
	for i := range overlays {
		overlays[i].Careful = true
	}
	return original, overlays
}

// spent counts a worker's processor time. The replies about the job have the time of all its workers.
func (j *job) spent(cpu time.Duration, err error) {
	j.metrics.spent(cpu, err)
	j.result.CPUMS += milliseconds(cpu)
}

// isFirstTry reports whether the limit of the render is deadline.FirstTry: an original or an overlay
// has a type that can take any time, and the job was not slow before.
func (j *job) isFirstTry(original engine.Source, overlays []engine.Source) bool {
	longer := j.job.RenderLimitMS > deadline.FirstTry.Milliseconds()
	return !j.job.Slow && longer && (lanes.Unforeseeable(original.Header.Type) ||
		slices.ContainsFunc(overlays, func(o engine.Source) bool { return lanes.Unforeseeable(o.Header.Type) }))
}

// try renders once, within the rest of the job's time.
func (j *job) try(ctx context.Context, s thumbnail.Spec, original engine.Source, overlays []engine.Source) (engine.Result, error) {
	limit := min(time.Duration(j.job.RenderLimitMS)*time.Millisecond, j.delivery.Left())
	if j.isFirstTry(original, overlays) && j.delivery.Left() > 2*deadline.FirstTry {
		limit = min(limit, deadline.FirstTry)
	}
	if limit <= 0 {
		return engine.Result{}, context.DeadlineExceeded
	}
	return j.engines.Render(ctx, s, original, overlays, j.maxPixels(), limit)
}

func (j *job) maxPixels() int64 {
	if j.job.MaxThumbnailPixels == 0 {
		return math.MaxInt64
	}
	return j.job.MaxThumbnailPixels
}

// note keeps the common fields of all replies about the picture.
func (j *job) note(r engine.Result, took time.Duration) {
	sum := md5.Sum(r.Image) //nolint:gosec // ETags are MD5, as in Swift
	j.result.Format, j.result.Width, j.result.Height = r.Format, r.Width, r.Height
	j.result.Engine, j.result.ETag = r.Engine, hex.EncodeToString(sum[:])
	j.result.RenderedAt = time.Now().UTC().Truncate(time.Second)
	j.result.RenderMS = milliseconds(took)
}
