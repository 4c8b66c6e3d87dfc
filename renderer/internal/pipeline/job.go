package pipeline

import (
	"context"
	"log/slog"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/source"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/cost"
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
	site     string // this renderer's

	edges             Edges
	originals         Originals
	versions          Versions
	thumbnails        Thumbnails
	engines           Engines
	slots             *slots
	rates             *cost.Rates
	maxOriginalPixels int64
	memory            int64 // address space of a worker in bytes
	prompt            bool  // Config.Prompt of the original
	tracer            *tracing.Tracer
	metrics           metrics
	log               *slog.Logger

	bucket  bucketOf
	result  renderjob.Result  // the common fields of all replies about the picture
	purged  atomic.Bool       // a purge of the original came after the job began
	now     atomic.Value      // the current step, a string
	bytes   int64             // of the original
	blame   func(error) error // blameChange for this original
	storing sync.Mutex        // held while the job stores, and until it has taken back a stale thumbnail

	adopt     func(ctx context.Context, j *job, told []renderjob.Sibling)
	batch     int            // the most jobs that are done at once
	siblings  []*job         // the jobs that are done with this delivery
	finishing sync.WaitGroup // the storing of siblings
	drawn     drawn          // the result of rendering this job together with its siblings
	over      bool           // only for a sibling: its answer is sent or on its way
}

func (p *Pipeline) newJob(d intake.Delivery) *job {
	c := p.config
	slots := p.slots
	if d.Job.Slow {
		slots = p.slow
	}
	return &job{
		job: d.Job, delivery: d, renderer: c.Renderer, site: c.Site,
		edges: c.Edges, originals: c.Originals, versions: c.Versions, thumbnails: c.Thumbnails, engines: c.Engines,
		slots: slots, maxOriginalPixels: c.MaxOriginalPixels, memory: c.Memory, prompt: c.Prompt != nil && c.Prompt(d.Job.Spec.Original), tracer: c.Tracer, metrics: p.metrics,
		adopt: p.adopt, batch: c.Batch, rates: &p.rates,
		log: c.Log.With("request", d.Job.RequestID, "job", d.Job.ID),
	}
}

// process does the job's steps in turn. It returns nil once the edge has an answer, or needs none.
func (j *job) process(ctx context.Context, drain <-chan struct{}) error {
	if err := j.check(); err != nil {
		return err
	}
	answer := j.begin()
	if answer.Word == renderjob.Gone {
		j.log.Debug("skip a job that no client waits for, or that another site has")
		return nil
	}
	j.adopt(ctx, j, answer.Siblings)
	if j.delivery.Deliveries > 1 && j.storedBefore(ctx) {
		return nil
	}
	if over, err := j.renderFromBucket(ctx, drain, j.bucketFirst()); over {
		return err
	}
	original, err := j.fetch(ctx, drain)
	if err != nil {
		return err
	}
	defer original.Release()
	header, err := j.inspect(ctx, original)
	if err != nil {
		return err
	}
	if err := j.checkHeader(header); err != nil {
		return err
	}
	overlays, release, err := j.fetchOverlays(ctx, drain)
	defer release()
	if err != nil {
		return err
	}
	if j.isMisplaced(header, overlays) || j.bucketIsGone() {
		return intake.ErrLong
	}
	j.refuseCostly(ctx, header)
	if err := j.checkCost(header); err != nil {
		j.release() // the siblings are of other sizes
		return err
	}
	if over, err := j.renderFromBucket(ctx, drain, j.bucketPays(header, original.Version)); over {
		return err
	}
	j.bytes, j.blame = original.Size, func(err error) error { return blameChange(original, err) }
	source := engine.Source{Header: header, File: original.File, Named: original.Named, Yields: j.yields(), Effort: j.effort()}
	image, err := j.render(ctx, drain, source, overlays, original.Version)
	freed := err == nil && j.delivery.Place.Store(int64(len(image)))
	j.finishing.Wait() // after this job's last answer, the edge releases all siblings without an answer
	if err = j.blame(err); err != nil {
		return err
	}
	j.deliver(ctx, image, original.Version, freed)
	return nil
}

// begin tells the edge that the job begins, and returns the edge's answer. An edge that expects the job to begin gives
// none, and has no siblings for it.
func (j *job) begin() renderjob.Answer {
	started := renderjob.Result{State: renderjob.StateStarted, Lane: j.job.Lane}
	if j.delivery.Begun {
		j.reply(started)
		return renderjob.Answer{Word: renderjob.Proceed}
	}
	started.Batch = j.batch
	return j.edges.Begin(j.job.Edge, j.tell(started))
}

// deliver answers the edge with the image and stores it, unless the render did both. freed tells the edge that the job
// holds no place any more.
func (j *job) deliver(ctx context.Context, image []byte, version string, freed bool) {
	if j.drawn.tried {
		j.tellStored(j.drawn.unkept)
		return
	}
	j.answer(ctx, image, version, freed)
}

// yields reports whether renders of other jobs come first.
func (j *job) yields() bool { return j.job.Slow || j.job.Lane == renderjob.LaneBulk }

// longLine is how many jobs for each slot wait in a lane when encoders make haste.
const longLine = 8

// effort returns more effort for a job in advance, which no client waits for, and less while many jobs wait.
func (j *job) effort() worker.Effort {
	switch {
	case j.job.Lane == renderjob.LaneBulk && !j.job.Slow:
		return worker.Patient
	case j.delivery.Behind >= uint64(longLine*cap(j.slots.taken)):
		return worker.Hasty
	}
	return worker.Usual
}

// isMisplaced reports whether the headers show a long render in a lane for short renders.
func (j *job) isMisplaced(header guard.Header, overlays []engine.Source) bool {
	areas := []int64{header.Area()}
	for _, o := range overlays {
		areas = append(areas, o.Header.Area())
	}
	return lanes.Misplaced(j.job.Lane, j.job.Spec.Type, header.Type, areas...)
}

// check returns a fault for a job that was delivered too often, or that came too late to begin.
func (j *job) check() error {
	if j.delivery.Deliveries > renderjob.MaxDeliveries {
		return fault.New(fault.Lost, "%d renderers died while they rendered this thumbnail", renderjob.MaxDeliveries)
	}
	within := time.Duration(j.job.StartWithinMS) * time.Millisecond
	if j.delivery.Deliveries == 1 && j.delivery.Age > within {
		return fault.New(fault.NoRenderer, "no server had room for the thumbnail within %v: ask again later", within)
	}
	return nil
}

// storedBefore reports whether the thumbnail is stored already, and then tells the edge. A renderer
// can die between its write and its acknowledgement.
func (j *job) storedBefore(ctx context.Context) bool {
	info, err := j.thumbnails.Head(ctx, j.job.Key)
	if err != nil || info.Meta.SpecDigest != j.job.Spec.Digest() || info.Meta.OriginalVersion != j.job.OriginalVersion {
		return false
	}
	j.reply(renderjob.Result{State: renderjob.StateStored})
	return true
}

// step counts and traces a step that is over.
func (j *job) step(ctx context.Context, name string, began time.Time) {
	j.metrics.step(name, began)
	j.tracer.Step(ctx, name, began, time.Now())
}

// reply sends the edge a result. Core NATS can lose the message behind the server; the edge looks into
// the store when it connects again, and before its deadline.
func (j *job) reply(r renderjob.Result) {
	if err := j.edges.Tell(j.job.Edge, j.tell(r)); err != nil {
		j.log.Warn("tell an edge the state of its job", "state", r.State, "error", err)
	}
}

// replyRendered sends the edge the picture, unless the picture is too large for a message. freed says that the job
// takes no room any more.
func (j *job) replyRendered(image []byte, freed bool) {
	if len(image) > renderjob.MaxInline {
		return
	}
	rendered := j.result
	rendered.State, rendered.Image, rendered.Freed = renderjob.StateRendered, image, freed
	j.reply(rendered)
}

// tell returns r with the common fields of all results.
func (j *job) tell(r renderjob.Result) renderjob.Result {
	r.Version, r.JobID, r.Renderer, r.Site = renderjob.Version, j.job.ID, j.renderer, j.site
	r.Deliveries, r.QueuedMS, r.Free = j.delivery.Deliveries, milliseconds(j.delivery.Age), j.delivery.Place.Free()
	return r
}

// fetch downloads the original, and notes the time of the download.
func (j *job) fetch(ctx context.Context, drain <-chan struct{}) (*source.Original, error) {
	j.now.Store("fetch")
	began := time.Now()
	original, err := j.fetchAside(ctx, drain, j.job.Spec.Original, j.job.OriginalVersion)
	j.step(ctx, "fetch", began)
	j.result.FetchMS = milliseconds(time.Since(began))
	return original, err
}

// inspect reads the original's header.
func (j *job) inspect(ctx context.Context, original *source.Original) (guard.Header, error) {
	j.now.Store("guard")
	began := time.Now()
	header, err := guard.Inspect(original.File, original.Size, j.job.Spec.Type, j.maxOriginalPixels)
	if err == nil {
		err = header.Affords(j.memory)
	}
	j.step(ctx, "guard", began)
	return header, named(err, j.job.Spec)
}

// named returns the error of an unknown type with the extension of the original's name; other errors stay.
func named(err error, s thumbnail.Spec) error {
	if s.Type != thumbnail.TypeUnknown || !fault.Is(err, fault.Unsupported) {
		return err
	}
	extension := "the name has no extension"
	if ext := path.Ext(s.Original.Name()); ext != "" {
		extension = "the extension " + ext + " is unknown"
	}
	return fault.New(fault.Unsupported, "%s, and the first bytes are of no allowed type; the allowed types are %s", extension, strings.Join(thumbnail.Rendered(), ", "))
}

// fetchOverlays downloads and inspects the pictures that the spec names beside the original. It returns
// a BadURL fault for a picture that is missing or broken. The caller must call release, even after an
// error.
func (j *job) fetchOverlays(ctx context.Context, drain <-chan struct{}) (all []engine.Source, release func(), err error) {
	var fetched []*source.Original
	release = func() {
		for _, o := range fetched {
			o.Release()
		}
	}
	for _, at := range j.job.Spec.Pictures() {
		o, err := j.fetchAside(ctx, drain, at, "")
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

// overlayFault turns a fault of a picture into a BadURL fault, because the URL names the picture. It
// returns other errors as they are.
func overlayFault(at thumbnail.Location, err error) error {
	f := fault.Of(err)
	switch f.Kind {
	case fault.Absent, fault.Undecodable, fault.TooLarge, fault.Unsupported:
		return fault.Wrap(err, fault.BadURL, "a filter names the picture %s, which is unusable: %s", at.Path, f.Message)
	default:
		return err
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
