package obtain

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nats-io/nuid"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/flight"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// leader takes one flight from the head of the original to the stored thumbnail.
type leader struct {
	*Obtainer
	Request
	flight *flight.Flight[Thumb]
	client string
	bytes  int64 // of the original
	times  Times
}

// lead returns an error only for a refusal that is this client's alone.
func (l *leader) lead(ctx context.Context) error {
	original, err := l.head(ctx)
	if err != nil {
		l.fail(err)
		return nil
	}
	l.bytes = original.Size
	for range rounds {
		if err := l.checkFailures(ctx); err != nil {
			l.fail(err)
			return nil
		}
		lease, done, err := l.admit(ctx)
		if err != nil {
			return l.refused(err)
		}
		if l.Stored.IsStored(ctx, l.Target, original.Version, l.Renew) {
			if lease != nil {
				lease.Release(admission.Outcome{Stored: true})
			}
			l.flight.Answer(Thumb{Source: Shared, Times: l.times}, nil)
			return nil
		}
		if !done {
			l.renderWith(ctx, lease, original.Version)
			return nil
		}
		// another's render was over, and its result is not there: once more
	}
	l.fail(fault.New(fault.ThumbStore, "other renders of this thumbnail ended without a result"))
	return nil
}

// renderWith tells of a failure once the lease is released, so that who comes after the
// answer does not share that failure at the coordinator, but is counted on its own.
func (l *leader) renderWith(ctx context.Context, lease *admission.Lease, version string) {
	outcome, err := l.render(ctx, version)
	lease.Release(outcome)
	if err != nil {
		l.fail(err)
	}
}

func (l *leader) fail(err error) {
	l.flight.Answer(Thumb{Times: l.times}, err)
}

// refused tells a refusal of the client from one of everybody.
func (l *leader) refused(err error) error {
	if f := fault.Of(err); f.Throttle == string(admission.PerIP) {
		return f
	}
	if errors.Is(err, context.Canceled) {
		err = fault.Wrap(err, fault.Unavailable, "all who waited have left")
	} else if errors.Is(err, context.DeadlineExceeded) {
		err = fault.Wrap(err, fault.Deadline, "the thumbnail was not rendered within %v", l.Settings.Edge.Deadline)
	}
	l.fail(err)
	return nil
}

func (l *leader) head(ctx context.Context) (objectstore.Info, error) {
	began := time.Now()
	info, err := l.Heads.Head(ctx, l.Target.Spec.Original)
	l.times.add("head", began, l.metrics)
	return info, err
}

func (l *leader) checkFailures(ctx context.Context) error {
	began := time.Now()
	err := l.Failures.Check(ctx, l.Target.Spec, l.Target.Key, l.Fleet.Engines())
	l.times.add("failure", began, l.metrics)
	if err != nil && !fault.Is(err, fault.Failing) {
		l.metrics.unremembered.Inc()
		l.Log.Warn("the failure memory does not answer: the request passes", "request", l.ID, "error", err)
		return nil
	}
	if err != nil {
		l.Admitter.Refuse(admission.Failure)
	}
	return err
}

// admit asks the coordinator, as long as somebody waits.
func (l *leader) admit(ctx context.Context) (*admission.Lease, bool, error) {
	began := time.Now()
	defer func() { l.times.add("admit", began, l.metrics) }()
	waited, cancel := context.WithCancel(ctx)
	defer cancel()
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-l.flight.Abandoned():
			cancel()
		case <-waited.Done():
		}
	}()
	defer func() { cancel(); <-watching }()
	request := admission.Request{
		Client: l.client, Original: l.Target.Spec.Original, Type: l.expensive(), Lane: l.lane(),
		Places: l.places(), Thumbnail: l.Target.Key,
	}
	held, done, err := l.Admitter.Admit(waited, request)
	for fault.Is(err, fault.LaneFull) && l.queueStalls() && time.Since(began) < 2*queue.Election && pause(waited) {
		held, done, err = l.Admitter.Admit(waited, request)
	}
	if (err == nil && !done) || fault.Is(err, fault.LaneFull) {
		l.metrics.offered.WithLabelValues(string(l.Target.Spec.Type)).Inc()
	}
	return held, done, err
}

// queueStalls reports whether all places wait for the queue, and not for renderers: it takes
// nothing, or has had a job, of this edge or of another, for long while a renderer has room.
func (l *leader) queueStalls() bool {
	return l.Dispatcher.Electing() || l.Fleet.Idle() &&
		(l.Dispatcher.Unstarted(renderjob.LaneStandard) > time.Second || l.Lanes.Stalls(renderjob.LaneStandard, time.Second))
}

// pause waits a little before a coordinator is asked again, not all at the same moment, and
// reports whether somebody still waits.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(300*time.Millisecond + rand.N(400*time.Millisecond)): //nolint:gosec // no secret
		return true
	case <-ctx.Done():
		return false
	}
}

// types are those of all that the render reads: the original, then watermarks and frames.
func (l *leader) types() []thumbnail.Type {
	all := []thumbnail.Type{l.Target.Spec.Type}
	for _, at := range l.Target.Spec.Pictures() {
		all = append(all, thumbnail.TypeOf(at.Name()))
	}
	return all
}

// expensive gives the first of the types that is an expensive one.
func (l *leader) expensive() thumbnail.Type {
	for _, t := range l.types() {
		if slices.Contains(l.Settings.Throttle.Expensive.Types, string(t)) {
			return t
		}
	}
	return ""
}

// places is how many places of its type's pool an expensive original takes.
func (l *leader) places() int {
	e := l.Settings.Throttle.Expensive
	if l.expensive() == "" {
		return 0
	}
	return l.costs.Places(l.expensive(), l.bytes, e.Place, e.Workers)
}

func (l *leader) lane() renderjob.Lane {
	return lanes.For(lanes.Work{Types: l.types(), Expensive: l.expensive() != "", Bytes: l.bytes, Bulk: l.Bulk})
}

// startWithin is how long a job may be in the queue, which the pools keep nearly empty: it
// waits there for renderers that are gone, or for servers that elect who leads.
func (l *leader) startWithin() time.Duration {
	return l.Settings.Throttle.QueueWait + queue.Election
}

func (l *leader) job(version string) renderjob.Job {
	limit := l.Settings.Renderer.TimeLimit
	if l.expensive() != "" {
		limit = l.Settings.Renderer.TimeLimitExpensive
	}
	return renderjob.Job{
		ID: nuid.Next(), RequestID: l.ID, Trace: l.Trace, Lane: l.lane(), Spec: l.Target.Spec, Key: l.Target.Key,
		OriginalVersion: version, Disposition: l.Target.Disposition, XKey: l.Target.XKey,
		StartWithinMS: l.startWithin().Milliseconds(), RenderLimitMS: limit.Milliseconds(),
		MaxThumbnailPixels: int64(l.Settings.Edge.MaxPixels),
	}
}
