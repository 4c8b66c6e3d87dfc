// Package pipeline takes one job through a renderer:
//
//	fetch → guard → render → reply → store → stored
//
// A job holds a slot only during the render. The client gets the picture before the renderer stores
// it, unless the picture is too large for a message, or the store is as fast as a message.
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
	"github.com/thumbmill/thumbmill/shared/cost"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// Originals downloads originals to this machine's disk. *source.Source implements it.
type Originals interface {
	// Fetch returns the original; the caller releases it. Errors are faults.
	Fetch(ctx context.Context, at thumbnail.Location, version string) (*source.Original, error)
	// Origin names the loader and the host of an original.
	Origin(at thumbnail.Location) string
	// Forget makes the next Fetch read the original from its store again.
	Forget(at thumbnail.Location)
}

// Versions tells the version of an original that its store has now.
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

// Engines renders thumbnails. Errors are faults, or worker.ErrDied.
type Engines interface {
	Render(ctx context.Context, s thumbnail.Spec, original engine.Source, overlays []engine.Source, maxPixels int64, within time.Duration) (engine.Result, error)
	// Several renders several specs in their order, and calls done for each spec as soon as its
	// thumbnail is ready or failed. After an error, the caller tries the specs without a call of done
	// one by one.
	Several(ctx context.Context, specs []thumbnail.Spec, original engine.Source, maxPixels int64, limits worker.Limits, done func(i int, r engine.Result, err error)) error
	Version() string
	// Versions returns the versions of all programs and libraries that draw.
	Versions() component.Versions
}

// Edges tells edges about their jobs.
type Edges interface {
	// Begin tells an edge that its job begins, and returns the edge's answer: whether a client still
	// waits, and which other jobs of the original the renderer does too.
	Begin(edge string, r renderjob.Result) renderjob.Answer
	// Tell tells an edge the state of its job.
	Tell(edge string, r renderjob.Result) error
	// TakeBack tells all edges to forget the thumbnails of an original that they have read.
	TakeBack(original thumbnail.Location) error
}

// Config has the settings and the dependencies of a pipeline.
type Config struct {
	Renderer          string // this renderer's name
	Site              string // this renderer's; "" where there is one site
	Originals         Originals
	Versions          Versions // the originals' versions; a job asks again after it stored
	Thumbnails        Thumbnails
	Prompt            func(original thumbnail.Location) bool // whether Thumbnails and Versions answer in less time than a message takes; nil = never
	Engines           Engines
	Slots             int   // the most renders at once
	Batch             int   // the most jobs of one original that are done together; 1 or less: each job alone
	MaxOriginalPixels int64 // originals with more pixels are refused
	Memory            int64 // address space of a worker in bytes; originals that need more are refused; 0 = no limit
	Edges             Edges
	Tracer            *tracing.Tracer
	Log               *slog.Logger
	Metrics           prometheus.Registerer
}

// Pipeline does jobs. It implements intake.Processor.
type Pipeline struct {
	config  Config
	slots   *slots
	slow    *slots // of slow jobs, beside the other slots
	metrics metrics
	running running
	rates   cost.Rates // of this renderer's workers
}

// New returns a pipeline, and registers its metrics.
func New(c Config) *Pipeline {
	p := &Pipeline{config: c, slots: newSlots(c.Slots), slow: newSlots(lanes.SlowSlots(c.Slots)), metrics: newMetrics()}
	p.metrics.register(c.Metrics, c.Slots, p.slots.busy, p.slow.busy)
	return p
}

// Busy returns the number of slots that render now. Slow jobs take no slot.
func (p *Pipeline) Busy() int { return p.slots.busy() }

// Utilisation returns the share of the slots' time that was spent on renders since the last call, from
// 0 to 1.
func (p *Pipeline) Utilisation() float64 { return p.slots.share() }

// Beside returns the mean number of slow renders beside the slots since the last call.
func (p *Pipeline) Beside() float64 { return p.slow.usage.mean() }

// errUnfinished says that the job's context ended, and another renderer must do the job.
var errUnfinished = errors.New("the renderer stopped before the job was done")

// Process does one job and answers its edge. It returns intake.ErrNotBegun or an *intake.Moved for a
// job that another renderer must do, and another error if ctx ended during the job.
func (p *Pipeline) Process(ctx context.Context, drain <-chan struct{}, d intake.Delivery) error {
	j := p.newJob(d)
	if d.Left() <= 0 {
		j.log.Debug("skip a job after its deadline")
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
	case errors.Is(err, intake.ErrNotBegun):
		return j.giveUp(err)
	case errors.Is(err, intake.ErrLong) || errors.Is(err, intake.ErrSlow):
		return &intake.Moved{Why: err, Tell: func() { j.reply(renderjob.Result{State: renderjob.StateMoved, CPUMS: j.result.CPUMS}) }}
	case ctx.Err() != nil:
		return errUnfinished
	case err != nil:
		if deadline.Err() == nil { // after the deadline the edge releases the siblings
			j.failSiblings(deadline, err)
		}
		outcome = string(j.fail(deadline, err).Kind)
	}
	p.metrics.jobs.WithLabelValues(string(d.Job.Lane), outcome).Inc()
	span.SetAttributes(attribute.String("thumbmill.outcome", outcome))
	return nil
}

// giveUp returns the error of a job whose render did not begin, for the intake to hand back; or nil for a job that no queue
// has, after it told the job's edge to publish the job.
func (j *job) giveUp(err error) error {
	if !j.delivery.Begun {
		return err
	}
	j.reply(renderjob.Result{State: renderjob.StateBusy})
	return nil
}

// fail tells the edge that the job failed, logs the fault, and returns it.
func (j *job) fail(deadline context.Context, err error) *fault.Fault {
	f := fault.Of(err)
	if deadline.Err() != nil && f.Kind == fault.Internal {
		f = fault.Wrap(err, fault.Deadline, "the request's deadline passed before the thumbnail was rendered")
	}
	j.log.Log(deadline, level(f), "fail a job", "key", j.job.Key, "original", j.job.Spec.Original, "fault", f.Kind, "error", f)
	j.reply(renderjob.Result{
		State: renderjob.StateFailed, Fault: f, OwnWidth: j.result.OwnWidth, CPUMS: j.result.CPUMS,
		EngineVersion: j.engines.Version(), TypeVersion: j.engines.Versions().Engine(j.job.Spec.Type),
	})
	return f
}

// level returns the log level of a fault: Warn for faults of the cluster, and Info for faults of clients
// and originals, which need no operator.
func level(f *fault.Fault) slog.Level {
	if f.Kind.Traits().Status >= http.StatusInternalServerError {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// trace begins the job's span as a child of the request's span, and records the job's time in the queue.
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
