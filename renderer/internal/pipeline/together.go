package pipeline

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// newSibling returns a job that is done with another job's delivery. It adds the sibling to the running
// jobs, so that purges find it.
func (p *Pipeline) newSibling(of *job, told renderjob.Sibling) *job {
	d := intake.Delivery{
		Job: told.Job, Deliveries: of.delivery.Deliveries, Age: time.Duration(told.WaitedMS) * time.Millisecond, Arrived: time.Now(),
	}
	s := p.newJob(d)
	s.now.Store("with " + of.job.ID)
	p.running.add(s)
	if of.purged.Load() { // a purge can come before the sibling is in the list
		s.purged.Store(true)
	}
	return s
}

// adopt takes the siblings that an edge names, at most Batch - 1. A sibling that an earlier delivery
// stored is over.
func (p *Pipeline) adopt(ctx context.Context, j *job, told []renderjob.Sibling) {
	for _, t := range told[:min(len(told), max(0, p.config.Batch-1))] {
		s := p.newSibling(j, t)
		s.over = s.delivery.Deliveries > 1 && s.storedBefore(ctx)
		j.siblings = append(j.siblings, s)
	}
	if len(j.siblings) > 0 {
		p.metrics.batch.Observe(float64(1 + len(j.siblings)))
	}
}

// untried returns the siblings without an answer.
func (j *job) untried() (all []*job) {
	for _, s := range j.siblings {
		if !s.over {
			all = append(all, s)
		}
	}
	return all
}

// failSiblings fails all siblings without an answer, because the original is at fault.
func (j *job) failSiblings(ctx context.Context, err error) {
	for _, s := range j.untried() {
		s.over = true
		s.end(string(s.fail(ctx, err).Kind))
	}
}

// release tells the edge to render each sibling without an answer by itself.
func (j *job) release() {
	for _, s := range j.untried() {
		s.leave()
	}
}

// leave tells the edge to render this sibling by itself.
func (j *job) leave() {
	j.over = true
	j.reply(renderjob.Result{State: renderjob.StateReleased})
	j.end("released")
}

// end counts a sibling that is over.
func (j *job) end(outcome string) {
	j.metrics.siblings.WithLabelValues(outcome).Inc()
	if outcome != "released" {
		j.metrics.jobs.WithLabelValues(string(j.job.Lane), outcome).Inc()
	}
}

// drawn is the result of a job that was rendered with its siblings.
type drawn struct {
	tried bool
	image []byte
	err   error
	// unkept says why the thumbnail is not stored, after finishing is done. nil means stored.
	unkept *fault.Fault
}

// renderTogether renders the job first, and then its siblings in the order of their requests. It answers
// each sibling as soon as its thumbnail is ready. If the worker ends early, each remaining render can be
// the reason: renderTogether releases the remaining siblings. It returns false if the caller must render
// the job alone.
func (j *job) renderTogether(ctx context.Context, original engine.Source, version string) (tried bool) {
	batch := append([]*job{j}, j.untried()...)
	if len(batch) == 1 || lanes.Unforeseeable(original.Header.Type) {
		j.release()
		return false
	}
	var specs []thumbnail.Spec
	for _, one := range batch {
		specs = append(specs, one.job.Spec)
	}
	began := time.Now()
	err := j.engines.Several(ctx, specs, original, j.maxPixels(), batchLimits(batch), func(i int, r engine.Result, err error) {
		took, now := time.Since(began), time.Now()
		err = j.blame(err)
		began = now
		batch[i].noteRender(ctx, original, r, err, took)
		if i > 0 {
			batch[i].over = true
			j.finishing.Go(func() { batch[i].finish(ctx, r.Image, err, version) })
			return
		}
		j.drawn.tried, j.drawn.image, j.drawn.err = true, r.Image, err
		if err == nil {
			j.replyRendered(r.Image, false)
			j.finishing.Go(func() { j.drawn.unkept = j.keep(ctx, r.Image, version) })
		}
	})
	if ended := (*worker.Ended)(nil); errors.As(err, &ended) {
		j.spent(ended.CPU, err) // a sibling's time counts for the job that brought it
	}
	switch {
	case err == nil:
	case ctx.Err() != nil && !j.drawn.tried:
		j.drawn.tried, j.drawn.err = true, ctx.Err()
	case ctx.Err() == nil:
		j.log.Info("release the remaining siblings after an early end of the worker", "original", j.job.Spec.Original, "error", err)
		j.release()
	}
	return j.drawn.tried
}

// batchLimits gives each thumbnail the time of a render, and all thumbnails together the time to the
// latest deadline of the batch.
func batchLimits(batch []*job) (l worker.Limits) {
	l.Each = time.Duration(batch[0].job.RenderLimitMS) * time.Millisecond
	for _, one := range batch {
		l.Whole = max(l.Whole, one.delivery.Left())
	}
	return l
}

// noteRender counts a render, and keeps the fields of the replies about its thumbnail.
func (j *job) noteRender(ctx context.Context, original engine.Source, r engine.Result, err error, took time.Duration) {
	j.spent(r.CPU, err)
	if err == nil {
		j.note(r, took)
	}
	j.countRender(ctx, original, r, err, took)
}

// countRender counts a render of a thumbnail or a bucket.
func (j *job) countRender(ctx context.Context, original engine.Source, r engine.Result, err error, took time.Duration) {
	by := failed
	if err == nil {
		by = r.Engine
	}
	j.metrics.rendered(j.job.Lane, by, original.Header.Type, took, tracing.ID(ctx))
}

// finish answers a sibling after its render: it stores the thumbnail, or fails the sibling.
func (j *job) finish(ctx context.Context, image []byte, err error, version string) {
	ctx, span := j.tracer.Start(tracing.Within(ctx, j.job.Trace), "job", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(j.delivery.Arrived),
		trace.WithAttributes(attribute.String("thumbmill.request", j.job.RequestID), attribute.String("thumbmill.job", j.job.ID), attribute.Bool("thumbmill.sibling", true)))
	defer span.End()
	if err != nil {
		j.end(string(j.fail(ctx, err).Kind))
		return
	}
	j.answer(ctx, image, version, false)
	j.end("ok")
}
