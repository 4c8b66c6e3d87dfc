// Package pipeline is the way of one job through a renderer:
//
//	fetch → guard → render → reply → store → stored
//
// A slot is held for the render alone. The client has its picture before it is
// stored, unless it is too large for a message.
package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbmill/thumbmill/renderer/internal/component"
	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/source"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// Originals brings originals to this machine's disk. *source.Source is one.
type Originals interface {
	// Fetch returns the original, which the caller releases. Errors are faults.
	Fetch(ctx context.Context, at thumbnail.Location, version string) (*source.Original, error)
	// Forget makes the next Fetch of an original read it anew.
	Forget(at thumbnail.Location)
}

// Versions tells which version of an original its store has now.
type Versions interface {
	Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error)
}

// Thumbnails is the part of an object store that keeps thumbnails.
type Thumbnails interface {
	Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error)
	Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error)
	Put(ctx context.Context, at thumbnail.Location, body []byte, meta objectstore.Meta) error
	Delete(ctx context.Context, at thumbnail.Location) error
}

// Engines render. Errors are faults, or worker.ErrDied.
type Engines interface {
	Render(ctx context.Context, s thumbnail.Spec, original engine.Source, overlays []engine.Source, maxPixels int64, within time.Duration) (engine.Result, error)
	// Several renders several specs, and calls done for each as soon as it is ready, in their
	// order. After an error, the caller tries each that done did not hear of alone.
	Several(ctx context.Context, specs []thumbnail.Spec, original engine.Source, maxPixels int64, limits worker.Limits, done func(i int, r engine.Result, err error)) error
	Version() string
	// Versions are those of all that draws.
	Versions() component.Versions
}

// Edges hear of their jobs.
type Edges interface {
	// Begin tells an edge that its job begins, and gives its answer: whether anybody waits
	// for it, and which other jobs of the original go with it.
	Begin(edge string, r renderjob.Result) renderjob.Answer
	// Tell tells an edge how far its job has come.
	Tell(edge string, r renderjob.Result) error
	// TakeBack tells all edges to forget what they may have read of an original's thumbnails.
	TakeBack(original thumbnail.Location) error
}

// Config is what a pipeline is made of.
type Config struct {
	Renderer          string // this renderer's name
	Originals         Originals
	Versions          Versions // of the originals; asked once more after a write
	Thumbnails        Thumbnails
	Engines           Engines
	Slots             int   // renders at once
	Batch             int   // jobs of one original that are done as one; 1 or less: each alone
	MaxOriginalPixels int64 // an original with more is refused
	Edges             Edges
	Tracer            *tracing.Tracer
	Log               *slog.Logger
	Metrics           prometheus.Registerer
}

// Pipeline does jobs. It is an intake.Processor.
type Pipeline struct {
	config  Config
	slots   *slots
	slow    *slots // beside them: the one place of what takes long
	metrics metrics
	running running
}

// New makes a pipeline.
func New(c Config) *Pipeline {
	p := &Pipeline{config: c, slots: newSlots(c.Slots), slow: newSlots(1), metrics: newMetrics()}
	p.metrics.register(c.Metrics, c.Slots, p.Busy)
	return p
}

// Busy is how many slots render now.
func (p *Pipeline) Busy() int { return p.slots.busy() }

// Utilisation is the share of the slots' time that was spent on renders since the last
// call, 0 to 1.
func (p *Pipeline) Utilisation() float64 { return p.slots.share() }

// errUnfinished says that the job's context ended, so that another renderer must do it.
var errUnfinished = errors.New("the renderer stopped under the job")

// Process does one job and answers for it. It returns intake.ErrNotBegun, ErrLong or ErrSlow
// for a job that is handed on, and another error when ctx ended under the job.
func (p *Pipeline) Process(ctx context.Context, drain <-chan struct{}, d intake.Delivery) error {
	j := p.newJob(d)
	if d.Left() <= 0 {
		j.log.Debug("a job came after its deadline")
		return nil
	}
	ctx, span := p.trace(ctx, d)
	defer span.End()
	deadline, cancel := context.WithTimeout(ctx, d.Left())
	defer cancel()
	p.running.add(j)
	defer p.running.remove(j)
	outcome := "ok"
	err := j.process(deadline, drain)
	for _, s := range j.siblings {
		p.running.remove(s)
	}
	switch {
	case errors.Is(err, intake.ErrNotBegun) || errors.Is(err, intake.ErrLong) || errors.Is(err, intake.ErrSlow):
		return err
	case ctx.Err() != nil:
		return errUnfinished
	case err != nil:
		if deadline.Err() == nil { // else the edge releases them
			j.failSiblings(deadline, err)
		}
		outcome = string(j.fail(deadline, err).Kind)
	}
	p.metrics.jobs.WithLabelValues(string(d.Job.Lane), outcome).Inc()
	span.SetAttributes(attribute.String("thumbmill.outcome", outcome))
	return nil
}

// fail answers that there is no thumbnail, and why.
func (j *job) fail(deadline context.Context, err error) *fault.Fault {
	f := fault.Of(err)
	if deadline.Err() != nil && f.Kind == fault.Internal {
		f = fault.Wrap(err, fault.Deadline, "the request's time was over before the thumbnail was rendered")
	}
	j.log.Log(deadline, level(f), "no thumbnail", "key", j.job.Key, "original", j.job.Spec.Original, "fault", f.Kind, "error", f)
	j.reply(renderjob.Result{State: renderjob.StateFailed, Fault: f})
	return f
}

// level keeps what clients and originals do out of the operator's way.
func level(f *fault.Fault) slog.Level {
	if f.Kind.Traits().Status >= http.StatusInternalServerError {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// trace begins the job's span, as a part of the request's, and tells of its time in the queue.
func (p *Pipeline) trace(ctx context.Context, d intake.Delivery) (context.Context, trace.Span) {
	tracer := p.config.Tracer
	ctx, span := tracer.Start(tracing.Within(ctx, d.Job.Trace), "job", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(d.Arrived),
		trace.WithAttributes(attribute.String("thumbmill.lane", string(d.Job.Lane)), attribute.String("thumbmill.request", d.Job.RequestID),
			attribute.String("thumbmill.job", d.Job.ID), attribute.String("thumbmill.original", d.Job.Spec.Original.String()), attribute.Int("thumbmill.deliveries", d.Deliveries)))
	if span.IsRecording() {
		tracer.Step(ctx, "queued", d.Arrived.Add(-d.Age), d.Arrived)
	}
	return ctx, span
}
