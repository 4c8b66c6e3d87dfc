package obtain

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nuid"
	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/flight"
	"github.com/thumbmill/thumbmill/edge/internal/places"
	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const recordTimeout = time.Second

// rendering takes flights from their lease to the stored thumbnail.
type rendering struct {
	fleet     Fleet
	stored    Stored
	failures  Failures
	costs     *costs
	widths    *ownWidths
	deadline  deadline.Split
	near      *near
	maxPixels int // of a thumbnail
	metrics   metrics
	log       *slog.Logger
}

func newRendering(c Config, learned *costs, widths *ownWidths, m metrics) *rendering {
	return &rendering{
		fleet: c.Fleet, stored: c.Stored, failures: c.Failures, costs: learned, widths: widths,
		near: &near{site: c.Settings.NATS.Site}, deadline: c.Settings.Deadline(), maxPixels: c.Settings.Edge.MaxPixels, metrics: m, log: c.Log,
	}
}

// render publishes the job, answers the flight with its result, and returns when the thumbnail is
// stored or the job has failed. It releases the lease before it answers with a failure: the
// coordinator passes a failure on to the flights that wait at its release, and a client that asks
// after the answer must count by itself.
func (on *rendering) render(ctx context.Context, l *leader, w work, g places.Grant) {
	r := &render{on: on, flight: l.flight, grant: g, work: w, times: l.times, began: l.granted}
	err := r.publishAndWait(ctx)
	g.Lease.Release(r.outcome)
	if err != nil {
		l.flight.Answer(Thumb{Times: r.times}, err)
	}
}

func (on *rendering) job(w work) renderjob.Job {
	limit, t := on.deadline.Render, w.request.Target
	if w.expensive != "" {
		limit = on.deadline.RenderExpensive
	}
	return renderjob.Job{
		ID: nuid.Next(), RequestID: w.request.ID, Trace: w.request.Trace, Lane: w.lane, Spec: t.Spec, Key: t.Key,
		Slow: w.slow, Near: on.near.of(t.Spec.Original), Bucket: w.bucket, BucketSeen: w.bucketSeen, OriginalVersion: w.version, Disposition: t.Disposition, XKey: t.XKey,
		StartWithinMS: on.startWithin(w).Milliseconds(), RenderLimitMS: limit.Milliseconds(),
		MaxThumbnailPixels: int64(on.maxPixels), OwnWidthOnly: t.Odd != nil,
	}
}

// startWithin returns the time from the publication of a job until a renderer begins it.
func (on *rendering) startWithin(w work) time.Duration {
	if w.slow {
		return on.deadline.SlowStart()
	}
	return on.deadline.Start
}

// render is one job, from its publishing to its end.
type render struct {
	on      *rendering
	flight  *flight.Flight[Thumb]
	grant   places.Grant
	work    work
	job     places.Job
	times   Times
	began   time.Time     // of the step under way
	started bool          // a renderer has begun the job
	timed   bool          // times has the step "render"
	tried   time.Duration // processor time of tries whose job moved to another lane
	outcome admission.Outcome
	err     error // the failure; render answers with it
}

func (r *render) publishAndWait(ctx context.Context) (err error) {
	if gone := r.on.fleet.GoneFor(); gone > r.on.deadline.Start {
		return fault.New(fault.NoRenderer, "no renderer has sent a heartbeat for %v: start a renderer, or ask again later", gone.Round(time.Second))
	}
	r.job, err = r.grant.Publish(ctx, r.on.job(r.work))
	r.times.add("publish", r.began, r.on.metrics)
	if err != nil {
		return err
	}
	defer r.job.Close()
	r.began = time.Now()
	r.wait(ctx)
	return r.err
}

// wait follows the job's events until one of them ends it.
func (r *render) wait(ctx context.Context) {
	within := r.on.startWithin(r.work)
	start := time.NewTimer(within + r.on.deadline.Slack) // renderers refuse earlier, and say more
	defer start.Stop()
	end, _ := ctx.Deadline()
	look := time.NewTimer(time.Until(end) - r.on.deadline.Slack)
	defer look.Stop()
	for over := false; !over; {
		abandoned := r.flight.Abandoned()
		if r.started {
			abandoned = nil // the renderer finishes and stores the thumbnail even when every client has left
		}
		select {
		case result := <-r.job.Results():
			over = r.follow(ctx, result)
		case <-r.job.Reconnected():
			over = r.foundInStore(ctx) || r.restore(ctx)
		case <-look.C:
			over = r.foundInStore(ctx)
		case <-start.C:
			over = !r.started && r.giveUp(ctx, fault.New(fault.NoRenderer, "no renderer began the thumbnail within %v: ask again later", within))
		case <-abandoned:
			over = r.giveUp(ctx, fault.New(fault.Unavailable, "every client left before the render began"))
			r.started = true // unless over, a renderer has begun the job, and will store the thumbnail
		case <-ctx.Done():
			over = r.end(fault.New(fault.Deadline, "the thumbnail was not ready within %v: ask again later", r.on.deadline.Whole))
		}
	}
}

// follow handles one result of a renderer, and reports whether the job is over.
func (r *render) follow(ctx context.Context, result renderjob.Result) (over bool) {
	switch result.State {
	case renderjob.StateStarted:
		r.started = true
	case renderjob.StateFetching:
		r.grant.Lease.LeaveLane()
	case renderjob.StateMoved:
		r.grant.Lease.LeaveLane()
		r.tried += milliseconds(result.CPUMS)
	case renderjob.StateRendered:
		r.answerRendered(result)
		if result.Freed {
			r.grant.Lease.LeaveLane()
		}
	case renderjob.StateStored:
		if len(result.Image) > 0 {
			r.answerRendered(result)
		} else {
			r.on.near.note(r.work.request.Target.Spec.Original, result)
		}
		return r.endStored(result)
	case renderjob.StateFailed:
		return r.endFailed(ctx, result)
	}
	return false
}

// answerRendered answers the flight with a result's image.
func (r *render) answerRendered(result renderjob.Result) {
	r.on.near.note(r.work.request.Target.Spec.Original, result)
	r.noteSteps(result)
	r.answer(r.thumb(result))
}

// endStored ends a job with the state stored. Clients without an answer, because the picture was too
// large for a message, find it in the store. A result with a fault means that storing failed.
func (r *render) endStored(result renderjob.Result) (over bool) {
	r.charge(milliseconds(result.CPUMS))
	if result.Fault == nil {
		return r.isStored()
	}
	r.on.log.Warn("store rendered thumbnail", "request", r.work.request.ID, "key", r.work.request.Target.Key, "error", result.Fault)
	return r.end(result.Fault)
}

func (r *render) isStored() (over bool) {
	r.outcome.Stored = true
	r.answer(Thumb{Source: Rendered})
	return true
}

// endFailed ends a job that failed, and records the failure in the failure memory.
func (r *render) endFailed(ctx context.Context, result renderjob.Result) (over bool) {
	f := result.Fault
	if f == nil {
		f = fault.New(fault.Internal, "the renderer sent a failure without a fault: look into its log")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	t := r.work.request.Target
	r.on.widths.note(t.Spec, result)
	if err := r.on.failures.Record(ctx, f, t.Spec, t.Key, cmp.Or(result.TypeVersion, result.EngineVersion)); err != nil {
		r.on.metrics.unremembered.Inc()
		r.on.log.Warn("record failure", "request", r.work.request.ID, "error", err)
	}
	r.outcome.Fault = f
	spent := milliseconds(result.CPUMS)
	if f.Kind == fault.Overran { // the whole render takes more than its worker spent, and no less than the estimate
		r.noteCost(max(spent, r.work.cost))
	}
	r.charge(spent)
	return r.end(f)
}

// foundInStore looks into the store, because the result may be lost.
func (r *render) foundInStore(ctx context.Context) (over bool) {
	return r.on.stored.IsStored(ctx, r.work.request.Target, r.work.version, r.work.request.Renew) && r.isStored()
}

// restore publishes the job again if the queue lost it. An error does not end the job, because the
// result may still come.
func (r *render) restore(ctx context.Context) (over bool) {
	ctx, cancel := context.WithTimeout(ctx, r.on.deadline.Restore)
	defer cancel()
	if err := r.job.Restore(ctx); err != nil {
		r.on.log.Warn("restore job in the queue", "request", r.work.request.ID, "error", err)
	}
	return false
}

// giveUp recalls a job that no renderer has begun, and ends with the fault. When a renderer has
// just begun the job, the flight goes on.
func (r *render) giveUp(ctx context.Context, f *fault.Fault) (over bool) {
	return r.job.Recall(ctx) && r.end(f)
}

// end ends the wait with an error. rendering.render answers with the error after it has released the
// lease.
func (r *render) end(err error) (over bool) {
	r.noteTime()
	r.err = err
	return true
}

func (r *render) answer(t Thumb) {
	r.noteTime()
	t.Times = r.times
	r.flight.Answer(t, nil)
}

// noteTime adds the step "render" to the times once: the first answer ends the step.
func (r *render) noteTime() {
	if !r.timed {
		r.times.add("render", r.began, r.on.metrics)
	}
	r.timed = true
}

// noteSteps adds the renderer's measurements to the times: the parts of the step "render".
func (r *render) noteSteps(result renderjob.Result) {
	r.on.log.Debug("render thumbnail", "request", r.work.request.ID, "job", result.JobID, "renderer", result.Renderer, "engine", result.Engine,
		"width", result.Width, "height", result.Height, "cpu_ms", result.CPUMS, "deliveries", result.Deliveries)
	r.noteCost(milliseconds(result.CPUMS))
	r.times = append(r.times,
		Step{Name: "queued", Took: milliseconds(result.QueuedMS)},
		Step{Name: "fetch", Took: milliseconds(result.FetchMS)},
		Step{Name: "worker", Took: milliseconds(result.RenderMS)})
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// noteCost learns from a render's processor time. Time on the clock would also measure the other processes of a
// loaded machine, and estimates would then refuse and delay ordinary renders.
func (r *render) noteCost(took time.Duration) {
	if r.work.expensive != "" {
		r.on.costs.book.Note(r.work.expensive, r.work.bytes, took)
		return
	}
	if !r.work.bucketSeen {
		r.on.costs.rates.Note(r.work.request.Target.Spec, r.work.bytes, took)
	}
}

// charge charges a job's processor time to the client's share of the expensive lane, to the original, and to the
// lease.
func (r *render) charge(last time.Duration) {
	spent, spec := r.tried+last, r.work.request.Target.Spec
	r.outcome.CPU = spent
	if r.work.isCharged() {
		r.on.costs.clients.Note(r.work.client, spent)
	}
	if lanes.Unforeseeable(spec.Type) && !r.work.bucketSeen {
		r.on.costs.dearest.Note(spec.Original.String(), spent, lanes.LongCost)
	}
}

func (r *render) thumb(result renderjob.Result) Thumb {
	t := r.work.request.Target
	return Thumb{
		Image: result.Image, Source: Rendered,
		Meta: objectstore.Meta{
			ContentType: result.Format.ContentType(), ETag: result.ETag, Disposition: t.Disposition, XKey: t.XKey,
			Rules: thumbnail.RulesVersion, OriginalVersion: r.work.version, Rendered: result.RenderedAt,
		},
	}
}
