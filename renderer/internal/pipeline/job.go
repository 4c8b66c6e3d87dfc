package pipeline

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/source"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// job is one job under way.
type job struct {
	job      renderjob.Job
	delivery intake.Delivery
	renderer string // this renderer's name

	edges             Edges
	originals         Originals
	versions          Versions
	thumbnails        Thumbnails
	engines           Engines
	slots             *slots
	maxOriginalPixels int64
	tracer            *tracing.Tracer
	metrics           metrics
	log               *slog.Logger

	bucket  bucketOf          // from which it may be rendered
	result  renderjob.Result  // what every reply about the picture tells
	purged  atomic.Bool       // its original was, since the job began
	now     atomic.Value      // the step that it is at
	blame   func(error) error // a change of the original for what became of a render
	storing sync.Mutex        // held while what it stores may have to be withdrawn

	adopt     func(ctx context.Context, j *job, told []renderjob.Sibling)
	batch     int            // jobs that are done at once
	siblings  []*job         // that are done with this delivery
	finishing sync.WaitGroup // siblings that are being stored
	drawn     drawn          // what became of it together with them
	over      bool           // of a sibling: it was answered for, or is being
}

func (p *Pipeline) newJob(d intake.Delivery) *job {
	c := p.config
	slots := p.slots
	if d.Job.Slow {
		slots = p.slow
	}
	return &job{
		job: d.Job, delivery: d, renderer: c.Renderer,
		edges: c.Edges, originals: c.Originals, versions: c.Versions, thumbnails: c.Thumbnails, engines: c.Engines,
		slots: slots, maxOriginalPixels: c.MaxOriginalPixels, tracer: c.Tracer, metrics: p.metrics,
		adopt: p.adopt, batch: c.Batch,
		log: c.Log.With("request", d.Job.RequestID, "job", d.Job.ID),
	}
}

// process does the job's steps in turn. It returns nil once the edge was told, or need not be.
func (j *job) process(ctx context.Context, drain <-chan struct{}) error {
	if err := j.check(); err != nil {
		return err
	}
	answer := j.edges.Begin(j.job.Edge, j.tell(renderjob.Result{State: renderjob.StateStarted, Batch: j.batch}))
	if answer.Word == renderjob.Gone {
		j.log.Debug("nobody waits any more")
		return nil
	}
	j.adopt(ctx, j, answer.Siblings)
	if j.delivery.Deliveries > 1 && j.storedBefore(ctx) {
		return nil
	}
	if over, err := j.renderFromBucket(ctx, drain, j.bucketFirst()); over {
		return err
	}
	original, err := j.fetch(ctx)
	if err != nil {
		return err
	}
	defer original.Release()
	header, err := j.inspect(ctx, original)
	if err != nil {
		return err
	}
	overlays, release, err := j.fetchOverlays(ctx)
	defer release()
	if err != nil {
		return err
	}
	if j.isMisplaced(header, overlays) || j.bucketIsGone() {
		return intake.ErrLong
	}
	if over, err := j.renderFromBucket(ctx, drain, j.bucketPays(header, original.Version)); over {
		return err
	}
	source := engine.Source{Header: header, File: original.File, Named: original.Named}
	j.blame = func(err error) error { return blameChange(original, err) }
	image, err := j.render(ctx, drain, source, overlays, original.Version)
	j.finishing.Wait() // the edge releases what is not told when it hears the last of this job
	if err = j.blame(err); err != nil {
		return err
	}
	if j.drawn.tried {
		j.tellStored(j.drawn.unkept)
		return nil
	}
	j.replyRendered(image)
	j.store(ctx, image, original.Version)
	return nil
}

// isMisplaced reports whether the headers show a render that takes long, in a lane for
// short ones.
func (j *job) isMisplaced(header guard.Header, overlays []engine.Source) bool {
	areas := []int64{header.Area()}
	for _, o := range overlays {
		areas = append(areas, o.Header.Area())
	}
	return lanes.Misplaced(j.job.Lane, j.job.Spec.Type, header.Type, areas...)
}

// check refuses a job that was delivered too often, and one that nobody waits for any more.
func (j *job) check() error {
	if j.delivery.Deliveries > renderjob.MaxDeliveries {
		return fault.New(fault.Lost, "%d renderers were lost under this thumbnail", renderjob.MaxDeliveries)
	}
	within := time.Duration(j.job.StartWithinMS) * time.Millisecond
	if j.delivery.Deliveries == 1 && j.delivery.Age > within {
		return fault.New(fault.NoRenderer, "no renderer had room within %v", within)
	}
	return nil
}

// storedBefore finds the work done of a renderer that ended between its write
// and its acknowledgement.
func (j *job) storedBefore(ctx context.Context) bool {
	info, err := j.thumbnails.Head(ctx, j.job.Key)
	if err != nil || info.Meta.SpecDigest != j.job.Spec.Digest() || info.Meta.OriginalVersion != j.job.OriginalVersion {
		return false
	}
	j.reply(renderjob.Result{State: renderjob.StateStored})
	return true
}

// step counts a step that is over, and tells of it.
func (j *job) step(ctx context.Context, name string, began time.Time) {
	j.metrics.step(name, began)
	j.tracer.Step(ctx, name, began, time.Now())
}

// reply tells the edge. Core NATS may lose it on its way from the server; the edge looks
// into the store when it connects again, and before its deadline.
func (j *job) reply(r renderjob.Result) {
	if err := j.edges.Tell(j.job.Edge, j.tell(r)); err != nil {
		j.log.Warn("an edge could not be told of its job", "state", r.State, "error", err)
	}
}

// replyRendered gives the edge the picture, unless it is too large for a message.
func (j *job) replyRendered(image []byte) {
	if len(image) > renderjob.MaxInline {
		return
	}
	rendered := j.result
	rendered.State, rendered.Image = renderjob.StateRendered, image
	j.reply(rendered)
}

// tell adds what every result says.
func (j *job) tell(r renderjob.Result) renderjob.Result {
	r.Version, r.JobID, r.Renderer, r.EngineVersion = renderjob.Version, j.job.ID, j.renderer, j.engines.Version()
	r.TypeVersion = j.engines.Versions().Engine(j.job.Spec.Type)
	r.Deliveries, r.QueuedMS = j.delivery.Deliveries, milliseconds(j.delivery.Age)
	return r
}

// fetch brings the original here, and notes the time that it took.
func (j *job) fetch(ctx context.Context) (*source.Original, error) {
	j.now.Store("fetch")
	began := time.Now()
	original, err := j.originals.Fetch(ctx, j.job.Spec.Original, j.job.OriginalVersion)
	j.step(ctx, "fetch", began)
	j.result.FetchMS = milliseconds(time.Since(began))
	return original, err
}

// inspect reads the original's header.
func (j *job) inspect(ctx context.Context, original *source.Original) (guard.Header, error) {
	j.now.Store("guard")
	began := time.Now()
	header, err := guard.Inspect(original.File, original.Size, j.job.Spec.Type, j.maxOriginalPixels)
	j.step(ctx, "guard", began)
	return header, err
}

// fetchOverlays brings the pictures that the spec names beside the original, which are
// inspected as it is. A picture that is missing or broken is the URL's fault. The caller
// calls release, whatever the error.
func (j *job) fetchOverlays(ctx context.Context) (all []engine.Source, release func(), err error) {
	var fetched []*source.Original
	release = func() {
		for _, o := range fetched {
			o.Release()
		}
	}
	for _, at := range j.job.Spec.Pictures() {
		o, err := j.originals.Fetch(ctx, at, "")
		if err != nil {
			return nil, release, overlayFault(at, err)
		}
		fetched = append(fetched, o)
		h, err := guard.Inspect(o.File, o.Size, thumbnail.TypeOf(at.Name()), j.maxOriginalPixels)
		if err != nil {
			return nil, release, overlayFault(at, err)
		}
		all = append(all, engine.Source{Header: h, File: o.File, Named: o.Named})
	}
	return all, release, nil
}

// overlayFault blames the URL for a picture that it should not have named.
func overlayFault(at thumbnail.Location, err error) error {
	f := fault.Of(err)
	switch f.Kind {
	case fault.Absent, fault.Undecodable, fault.TooLarge, fault.Unsupported:
		return fault.Wrap(err, fault.BadURL, "the picture %s, which a filter names, cannot be used: %s", at.Path, f.Message)
	default:
		return err
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
