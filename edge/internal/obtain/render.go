package obtain

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/dispatch"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	startSlack    = time.Second // for the renderer's own refusal to arrive first
	lastLook      = time.Second // before the deadline
	recordTimeout = time.Second
	restoreWithin = 10 * time.Second
)

// render has the thumbnail rendered, answers with it, and returns when it is stored, or
// when that can no longer be hoped for. Of an error nobody has been told yet.
func (l *leader) render(ctx context.Context, version string) (admission.Outcome, error) {
	if gone := l.Fleet.GoneFor(); gone > l.startWithin() {
		return admission.Outcome{}, fault.New(fault.NoRenderer, "no renderer lives")
	}
	began := time.Now()
	handle, err := l.Dispatcher.Publish(ctx, l.job(version))
	l.times.add("publish", began, l.metrics)
	if err != nil {
		return admission.Outcome{}, err
	}
	defer handle.Close()
	w := wait{leader: l, handle: handle, version: version, began: time.Now()}
	w.run(ctx)
	return w.outcome, w.err
}

// wait is the time between a job's publishing and its end.
type wait struct {
	*leader
	handle  *dispatch.Handle
	version string
	began   time.Time
	started bool
	timed   bool // the step "render" is noted
	outcome admission.Outcome
	err     error
}

func (w *wait) run(ctx context.Context) {
	start := time.NewTimer(w.startWithin() + startSlack)
	defer start.Stop()
	deadline, _ := ctx.Deadline()
	look := time.NewTimer(time.Until(deadline) - lastLook)
	defer look.Stop()
	for {
		abandoned := w.flight.Abandoned()
		if w.started {
			abandoned = nil // it is finished and stored, whoever left
		}
		var over bool
		select {
		case r := <-w.handle.Results():
			over = w.take(ctx, r)
		case <-w.handle.Reconnected():
			over = w.foundInStore(ctx) || w.restore(ctx)
		case <-look.C:
			over = w.foundInStore(ctx)
		case <-start.C:
			over = !w.started && w.giveUp(ctx, fault.New(fault.NoRenderer, "no renderer began within %v", w.startWithin()))
		case <-abandoned:
			over = w.giveUp(ctx, fault.New(fault.Unavailable, "all who waited have left"))
			w.started = true // a renderer has it: nobody waits, and it is stored all the same
		case <-ctx.Done():
			over = w.end(fault.New(fault.Deadline, "the thumbnail was not rendered within %v", w.Settings.Edge.Deadline))
		}
		if over {
			return
		}
	}
}

func (w *wait) answer(t Thumb) {
	w.noteTime()
	t.Times = w.times
	w.flight.Answer(t, nil)
}

// noteTime notes the step "render", which is over with the first answer.
func (w *wait) noteTime() {
	if !w.timed {
		w.times.add("render", w.began, w.metrics)
	}
	w.timed = true
}

// end ends the wait with an error, of which the leader tells once it holds no lease.
func (w *wait) end(err error) (over bool) {
	w.noteTime()
	w.err = err
	return true
}

// take follows the job by its results, and reports whether it is over.
func (w *wait) take(ctx context.Context, r renderjob.Result) (over bool) {
	switch r.State {
	case renderjob.StateStarted:
		w.started = true
	case renderjob.StateRendered:
		w.noteSteps(r)
		w.answer(w.thumb(r))
	case renderjob.StateStored:
		return w.stored(r)
	case renderjob.StateFailed:
		return w.failed(ctx, r)
	}
	return false
}

// noteSteps adds what the renderer measured: the parts of the step "render".
func (w *wait) noteSteps(r renderjob.Result) {
	w.Log.Debug("rendered", "request", w.ID, "job", r.JobID, "renderer", r.Renderer, "engine", r.Engine, "width", r.Width,
		"height", r.Height, "cpu_ms", r.CPUMS, "deliveries", r.Deliveries)
	step := func(name string, ms float64) {
		w.times = append(w.times, Step{Name: name, Took: time.Duration(ms * float64(time.Millisecond))})
	}
	w.noteCost(time.Duration(r.RenderMS * float64(time.Millisecond)))
	step("queued", r.QueuedMS)
	step("fetch", r.FetchMS)
	step("worker", r.RenderMS)
}

func (w *wait) noteCost(took time.Duration) {
	if w.expensive() != "" {
		w.costs.Note(w.expensive(), w.bytes, took)
	}
}

func (w *wait) thumb(r renderjob.Result) Thumb {
	return Thumb{
		Image: r.Image, Source: Rendered,
		Meta: objectstore.Meta{
			ContentType: r.Format.ContentType(), ETag: r.ETag, Disposition: w.Target.Disposition, XKey: w.Target.XKey,
			SpecDigest: w.Target.Spec.Digest(), Rules: thumbnail.RulesVersion, OriginalVersion: w.version, Rendered: r.RenderedAt,
		},
	}
}

// stored ends the flight. Who was not answered yet, since the picture was too
// large for a message, finds it in the store.
func (w *wait) stored(r renderjob.Result) (over bool) {
	if r.Fault == nil {
		w.outcome.Stored = true
		w.answer(Thumb{Source: Rendered})
		return true
	}
	w.Log.Warn("a thumbnail was rendered and not stored", "request", w.ID, "key", w.Target.Key, "error", r.Fault)
	return w.end(r.Fault)
}

func (w *wait) failed(ctx context.Context, r renderjob.Result) (over bool) {
	f := r.Fault
	if f == nil {
		f = fault.New(fault.Internal, "a renderer failed without saying why")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := w.Failures.Record(ctx, f, w.Target.Spec, w.Target.Key, r.EngineVersion); err != nil {
		w.metrics.unremembered.Inc()
		w.Log.Warn("a failure could not be remembered", "request", w.ID, "error", err)
	}
	w.outcome.Fault = f
	if f.Kind == fault.Overran { // what never ends is the most expensive of all
		w.noteCost(time.Since(w.began))
	}
	return w.end(f)
}

// foundInStore finds what a lost result would have told.
func (w *wait) foundInStore(ctx context.Context) bool {
	if !w.Stored.IsStored(ctx, w.Target, w.version, w.Renew) {
		return false
	}
	w.outcome.Stored = true
	w.answer(Thumb{Source: Rendered})
	return true
}

// restore puts the job back if the queue lost it. A failure is no end: the
// result may still come.
func (w *wait) restore(ctx context.Context) (over bool) {
	ctx, cancel := context.WithTimeout(ctx, restoreWithin)
	defer cancel()
	if err := w.handle.Restore(ctx); err != nil {
		w.Log.Warn("the queue could not be asked for a job", "request", w.ID, "error", err)
	}
	return false
}

// giveUp takes back a job that nobody began. When a renderer just did, the flight
// goes on.
func (w *wait) giveUp(ctx context.Context, f *fault.Fault) (over bool) {
	return w.handle.Withdraw(ctx) && w.end(f)
}
