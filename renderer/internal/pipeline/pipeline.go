// Package pipeline is the way of one job through a renderer:
//
//	fetch → guard → render → reply → store → stored
//
// A slot is held for the render alone. The client has its picture before it is
// stored, unless it is too large for a message.
package pipeline

import (
	"context"
	"crypto/md5" //nolint:gosec // ETags are MD5, as in Swift
	"encoding/hex"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/source"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

const (
	storeTimeout = 10 * time.Second
	// slotPatience is how long a job waits for a slot before it is handed back.
	slotPatience = 5 * time.Second
	// attempts is how often a render is tried when its worker dies.
	attempts = 3
)

// Originals are brought to this machine's disk.
type Originals interface {
	Fetch(ctx context.Context, at thumbnail.Location, version string) (*source.Original, error)
	// Forget has an original fetched anew from now on.
	Forget(at thumbnail.Location)
}

// Engines render. Errors are faults, or worker.ErrDied.
type Engines interface {
	Render(ctx context.Context, s thumbnail.Spec, original engine.Source, overlays []engine.Source, maxPixels int64, within time.Duration) (engine.Result, error)
	Version() string
}

// Edges hear of their jobs.
type Edges interface {
	// Begin tells an edge that its job begins, and reports whether anybody waits
	// for it.
	Begin(edge string, r renderjob.Result) (wanted bool)
	// Tell tells an edge how far its job has come.
	Tell(edge string, r renderjob.Result) error
	// TakeBack has all edges forget what they may have read of an original's thumbnails.
	TakeBack(original thumbnail.Location) error
}

// Config is what a pipeline is made of.
type Config struct {
	Renderer          string // this renderer's name
	Source            Originals
	Originals         objectstore.Store // looked at once more after a write
	Thumbnails        objectstore.Store
	Engines           Engines
	Slots             int
	MaxOriginalPixels int64
	Edges             Edges
	Tracer            *tracing.Tracer
	Log               *slog.Logger
	Metrics           prometheus.Registerer
}

// Pipeline does jobs. It is an intake.Processor.
type Pipeline struct {
	Config
	slots   chan struct{}
	usage   usage
	metrics metrics
	running running
}

// New makes a pipeline.
func New(c Config) *Pipeline {
	p := &Pipeline{Config: c, slots: make(chan struct{}, c.Slots), metrics: newMetrics()}
	p.metrics.register(c.Metrics, c.Slots, p.Busy)
	return p
}

// Busy is how many slots render now.
func (p *Pipeline) Busy() int { return len(p.slots) }

// Utilisation is the share of the slots' time that was spent on renders since it
// was asked for last, 0 to 1.
func (p *Pipeline) Utilisation() float64 { return p.usage.share(p.Slots) }

// level keeps what clients and originals do out of the operator's way.
func level(f *fault.Fault) slog.Level {
	if f.Kind.Traits().Status >= http.StatusInternalServerError {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// errUnfinished says that the job's context ended, so that another renderer must do it.
var errUnfinished = errors.New("the renderer stopped under the job")

// Process does one job and answers for it.
func (p *Pipeline) Process(ctx context.Context, drain <-chan struct{}, d intake.Delivery) error {
	j := &job{Pipeline: p, Job: d.Job, delivery: d}
	log := p.Log.With("request", d.Job.RequestID, "job", d.Job.ID)
	if d.Left() <= 0 {
		log.Debug("a job came after its deadline")
		return nil
	}
	ctx, span := p.trace(ctx, d)
	defer span.End()
	deadline, cancel := context.WithTimeout(ctx, d.Left())
	defer cancel()
	p.running.add(j)
	defer p.running.remove(j)
	outcome := "ok"
	err := j.run(deadline, drain)
	switch {
	case errors.Is(err, intake.ErrNotBegun) || errors.Is(err, intake.ErrLong):
		return err
	case ctx.Err() != nil:
		return errUnfinished
	case err != nil:
		f := fault.Of(err)
		if deadline.Err() != nil && f.Kind == fault.Internal {
			f = fault.Wrap(err, fault.Deadline, "the request's time was over before the thumbnail was rendered")
		}
		outcome = string(f.Kind)
		log.Log(ctx, level(f), "no thumbnail", "key", d.Job.Key, "original", d.Job.Spec.Original, "fault", f.Kind, "error", f)
		j.reply(renderjob.Result{State: renderjob.StateFailed, Fault: f})
	}
	p.metrics.jobs.WithLabelValues(string(d.Job.Lane), outcome).Inc()
	span.SetAttributes(attribute.String("thumbmill.outcome", outcome))
	return nil
}

// trace begins the job's span, as a part of the request's, and tells of its time in the queue.
func (p *Pipeline) trace(ctx context.Context, d intake.Delivery) (context.Context, trace.Span) {
	ctx, span := p.Tracer.Start(tracing.Within(ctx, d.Job.Trace), "job", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(d.Arrived),
		trace.WithAttributes(attribute.String("thumbmill.lane", string(d.Job.Lane)), attribute.String("thumbmill.request", d.Job.RequestID),
			attribute.String("thumbmill.job", d.Job.ID), attribute.String("thumbmill.original", d.Job.Spec.Original.String()), attribute.Int("thumbmill.deliveries", d.Deliveries)))
	if span.IsRecording() {
		p.Tracer.Step(ctx, "queued", d.Arrived.Add(-d.Age), d.Arrived)
	}
	return ctx, span
}

// job is one job under way.
type job struct {
	*Pipeline
	renderjob.Job
	delivery intake.Delivery
	result   renderjob.Result // what every reply about the picture tells
	purged   atomic.Bool      // its original was, since it began
	now      atomic.Value     // the step that it is at
	storing  sync.Mutex       // held while what it stores may have to be taken back
}

func (j *job) run(ctx context.Context, drain <-chan struct{}) error {
	if err := j.check(); err != nil {
		return err
	}
	if !j.Edges.Begin(j.Edge, j.tell(renderjob.Result{State: renderjob.StateStarted})) {
		j.Log.Debug("nobody waits any more", "job", j.ID)
		return nil
	}
	if j.delivery.Deliveries > 1 && j.storedBefore(ctx) {
		return nil
	}
	original, err := j.fetch(ctx)
	if err != nil {
		return err
	}
	defer original.Release()
	j.now.Store("guard")
	began := time.Now()
	header, err := guard.Inspect(original, original.Size, j.Spec.Type, j.MaxOriginalPixels)
	j.step(ctx, "guard", began)
	if err != nil {
		return err
	}
	overlays, release, err := j.overlays(ctx)
	defer release()
	if err != nil {
		return err
	}
	areas := []int64{header.Area()}
	for _, o := range overlays {
		areas = append(areas, o.Header.Area())
	}
	if lanes.Misplaced(j.Lane, j.Spec.Type, header.Type, areas...) {
		return intake.ErrLong
	}
	j.now.Store("waits for a slot")
	image, err := j.render(ctx, drain, engine.Source{Header: header, File: original.File}, overlays)
	if err != nil {
		return err
	}
	if len(image) <= renderjob.MaxInline {
		rendered := j.result
		rendered.State, rendered.Image = renderjob.StateRendered, image
		j.reply(rendered)
	}
	j.store(ctx, image, original.Version)
	return nil
}

// check refuses what was delivered too often, and what nobody waits for any more.
func (j *job) check() error {
	if j.delivery.Deliveries > renderjob.MaxDeliveries {
		return fault.New(fault.Lost, "%d renderers were lost under this thumbnail", renderjob.MaxDeliveries)
	}
	if j.delivery.Deliveries == 1 && j.delivery.Age > j.startWithin() {
		return fault.New(fault.NoRenderer, "no renderer had room within %v", j.startWithin())
	}
	return nil
}

func (j *job) startWithin() time.Duration { return time.Duration(j.StartWithinMS) * time.Millisecond }

// storedBefore finds the work done of a renderer that ended between its write
// and its acknowledgement.
func (j *job) storedBefore(ctx context.Context) bool {
	info, err := j.Thumbnails.Head(ctx, j.Key)
	if err != nil || info.Meta.SpecDigest != j.Spec.Digest() || info.Meta.OriginalVersion != j.OriginalVersion {
		return false
	}
	j.reply(renderjob.Result{State: renderjob.StateStored})
	return true
}

// step counts a step that is over, and tells of it.
func (j *job) step(ctx context.Context, name string, began time.Time) {
	j.metrics.step(name, began)
	j.Tracer.Step(ctx, name, began, time.Now())
}

// reply tells the edge. Core NATS may lose it on its way from the server; the edge looks
// into the store when it connects again, and before its deadline.
func (j *job) reply(r renderjob.Result) {
	if err := j.Edges.Tell(j.Edge, j.tell(r)); err != nil {
		j.Log.Warn("reply", "job", j.ID, "state", r.State, "error", err)
	}
}

// tell adds what every result says.
func (j *job) tell(r renderjob.Result) renderjob.Result {
	r.Version, r.JobID, r.Renderer, r.EngineVersion = renderjob.Version, j.ID, j.Renderer, j.Engines.Version()
	r.Deliveries, r.QueuedMS = j.delivery.Deliveries, milliseconds(j.delivery.Age)
	return r
}

// fetch notes the time that it took.
func (j *job) fetch(ctx context.Context) (*source.Original, error) {
	j.now.Store("fetch")
	began := time.Now()
	original, err := j.Source.Fetch(ctx, j.Spec.Original, j.OriginalVersion)
	j.step(ctx, "fetch", began)
	j.result.FetchMS = milliseconds(time.Since(began))
	return original, err
}

// overlays are the pictures that the spec names beside the original: fetched and
// inspected as it is. One that is missing or broken is the URL's fault.
func (j *job) overlays(ctx context.Context) (all []engine.Source, release func(), err error) {
	var fetched []*source.Original
	release = func() {
		for _, o := range fetched {
			o.Release()
		}
	}
	for _, at := range j.Spec.Pictures() {
		o, err := j.Source.Fetch(ctx, at, "")
		if err == nil {
			fetched = append(fetched, o)
			var h guard.Header
			h, err = guard.Inspect(o, o.Size, thumbnail.TypeOf(at.Name()), j.MaxOriginalPixels)
			all = append(all, engine.Source{Header: h, File: o.File})
		}
		if f := fault.Of(err); err != nil && (f.Kind == fault.Absent || f.Kind == fault.Undecodable || f.Kind == fault.TooLarge || f.Kind == fault.Unsupported) {
			return nil, release, fault.Wrap(err, fault.BadURL, "the picture %s, which a filter names, cannot be used: %s", at.Path, f.Message)
		}
		if err != nil {
			return nil, release, err
		}
	}
	return all, release, nil
}

// render waits for a slot and tries up to three workers.
func (j *job) render(ctx context.Context, drain <-chan struct{}, original engine.Source, overlays []engine.Source) ([]byte, error) {
	select {
	case <-drain:
		return nil, intake.ErrNotBegun
	default:
	}
	patience := time.NewTimer(slotPatience)
	defer patience.Stop()
	select {
	case j.slots <- struct{}{}:
	case <-drain:
		return nil, intake.ErrNotBegun
	case <-patience.C: // a long render is in the way; another renderer may be idle
		return nil, intake.ErrNotBegun
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	j.now.Store("render")
	j.usage.begin()
	defer func() { j.usage.end(); <-j.slots }()
	began := time.Now()
	ctx, span := j.Tracer.Start(ctx, "render")
	defer func() { span.End(); j.metrics.step("render", began) }()
	for range attempts {
		limit := min(time.Duration(j.RenderLimitMS)*time.Millisecond, j.delivery.Left())
		if limit <= 0 {
			return nil, context.DeadlineExceeded
		}
		result, err := j.Engines.Render(ctx, j.Spec, original, overlays, j.maxPixels(), limit)
		if errors.Is(err, worker.ErrDied) {
			j.Log.Warn("a worker died under a render", "job", j.ID, "original", j.Spec.Original, "error", err)
			continue
		}
		took, by := time.Since(began), failed
		if err == nil {
			by = result.Engine
			j.note(result, took)
		}
		j.metrics.rendered(j.Lane, by, original.Header.Type, took, tracing.ID(ctx))
		return result.Image, err
	}
	return nil, fault.New(fault.WorkerKilled, "%d workers died while they rendered the original", attempts)
}

func (j *job) maxPixels() int64 {
	if j.MaxThumbnailPixels == 0 {
		return math.MaxInt64
	}
	return j.MaxThumbnailPixels
}

// note keeps what all replies about the picture tell.
func (j *job) note(r engine.Result, took time.Duration) {
	sum := md5.Sum(r.Image) //nolint:gosec // ETags are MD5, as in Swift
	j.result.Format, j.result.Width, j.result.Height = r.Format, r.Width, r.Height
	j.result.Engine, j.result.ETag = r.Engine, hex.EncodeToString(sum[:])
	j.result.RenderedAt = time.Now().UTC().Truncate(time.Second)
	j.result.RenderMS, j.result.CPUMS = milliseconds(took), milliseconds(r.CPU)
	j.metrics.cpu.Add(r.CPU.Seconds())
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// store writes the thumbnail, whatever became of the client, and tells the edge,
// which then ends the lease.
func (j *job) store(ctx context.Context, image []byte, version string) {
	j.now.Store("store")
	j.reply(j.put(ctx, image, version))
}

// put writes the thumbnail, unless the original changed or was purged.
func (j *job) put(ctx context.Context, image []byte, version string) renderjob.Result {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	stored := j.result
	stored.State = renderjob.StateStored
	j.storing.Lock()
	defer j.storing.Unlock()
	if j.purged.Load() {
		stored.Fault = fault.New(fault.OriginalStore, "the original was purged while it was rendered")
		return stored
	}
	spec := j.Spec.Canonical()
	if len(spec) > objectstore.MaxSpec {
		spec = ""
	}
	err := j.Thumbnails.Put(ctx, j.Key, image, objectstore.Meta{
		ContentType: j.result.Format.ContentType(), ETag: j.result.ETag, Disposition: j.Disposition, XKey: j.XKey,
		Spec: spec, SpecDigest: j.Spec.Digest(), Rules: thumbnail.RulesVersion, OriginalVersion: version, Rendered: j.result.RenderedAt,
	})
	if err != nil {
		j.Log.Warn("a thumbnail could not be stored", "job", j.ID, "key", j.Key, "error", err)
		stored.Fault = fault.Wrap(err, fault.ThumbStore, "the thumbnail could not be stored")
	} else if j.purged.Load() || j.changed(ctx, version) {
		stored.Fault = fault.New(fault.OriginalStore, "the original changed while it was rendered")
		j.withdraw(ctx)
	}
	j.step(ctx, "store", began)
	return stored
}

// changed compares the original with what was rendered, after the write: an
// upload that came in between would otherwise be hidden by the old picture.
func (j *job) changed(ctx context.Context, version string) bool {
	info, err := j.Originals.Head(ctx, j.Spec.Original)
	if err == nil && (info.Version == version || info.Version == "" || version == "") || err != nil && !errors.Is(err, objectstore.ErrNotFound) {
		return false
	}
	return true
}

// withdraw deletes what was stored.
func (j *job) withdraw(ctx context.Context) {
	j.Log.Info("the original changed or was purged under way; its thumbnail is deleted", "job", j.ID, "original", j.Spec.Original)
	if err := j.Thumbnails.Delete(ctx, j.Key); err != nil {
		j.Log.Error("a stale thumbnail could not be deleted", "key", j.Key, "error", err)
	}
	if err := j.Edges.TakeBack(j.Spec.Original); err != nil {
		j.Log.Error("edges could not be told of a stale thumbnail", "key", j.Key, "error", err)
	}
}
