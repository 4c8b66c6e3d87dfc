package obtain

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/cost"
	"github.com/thumbmill/thumbmill/edge/internal/flight"
	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// leading takes flights from the head of the original to the lease.
type leading struct {
	heads     Heads
	failures  Failures
	fleet     Fleet
	admitter  Admitter
	stored    Stored
	stall     stall
	estimator estimator
	rendering *rendering
	deadline  deadline.Split
	throttles throttle.Table
	metrics   metrics
	log       *slog.Logger
}

func newLeading(c Config, m metrics) *leading {
	costs := &cost.Book{}
	return &leading{
		heads: c.Heads, failures: c.Failures, fleet: c.Fleet, admitter: c.Admitter, stored: c.Stored,
		stall: stall{c.Queue, c.Backlog, c.Fleet}, estimator: estimator{c.Settings.Throttle.Expensive, costs},
		rendering: newRendering(c, costs, m), deadline: c.Settings.Deadline(), throttles: throttle.All(), metrics: m, log: c.Log,
	}
}

// leader leads one flight for one client.
type leader struct {
	on      *leading
	flight  *flight.Flight[Thumb]
	request Request
	times   Times
}

// lead returns an error only for a refusal that is this client's alone.
func (on *leading) lead(ctx context.Context, f *flight.Flight[Thumb], r Request, client string) error {
	l := &leader{on: on, flight: f, request: r, times: Times{}}
	original, err := l.head(ctx)
	if err != nil {
		l.fail(err)
		return nil
	}
	work := on.estimator.estimate(r, client, original)
	for range rounds {
		if err := l.checkFailures(ctx); err != nil {
			l.fail(err)
			return nil
		}
		lease, done, err := l.admit(ctx, work)
		switch {
		case err != nil:
			return l.refuse(err)
		case on.stored.IsStored(ctx, r.Target, original.Version, r.Renew):
			l.share(lease)
			return nil
		case !done:
			on.rendering.render(ctx, f, work, lease, l.times)
			return nil
		}
		// another's render was over, and its result is not there: once more
	}
	l.fail(fault.New(fault.ThumbStore, "other renders of this thumbnail ended without a result"))
	return nil
}

func (l *leader) fail(err error) { l.flight.Answer(Thumb{Times: l.times}, err) }

// share answers with what another edge stored.
func (l *leader) share(lease admission.Lease) {
	if lease != nil {
		lease.Release(admission.Outcome{Stored: true})
	}
	l.flight.Answer(Thumb{Source: Shared, Times: l.times}, nil)
}

// refuse gives back a refusal that is this client's alone, and answers everybody with any
// other.
func (l *leader) refuse(err error) error {
	if f := fault.Of(err); l.on.throttles.IsOfClient(f) {
		return f
	}
	switch {
	case errors.Is(err, context.Canceled):
		err = fault.Wrap(err, fault.Unavailable, "all who waited have left")
	case errors.Is(err, context.DeadlineExceeded):
		err = fault.Wrap(err, fault.Deadline, "the thumbnail was not rendered within %v", l.on.deadline.Whole)
	}
	l.fail(err)
	return nil
}

func (l *leader) head(ctx context.Context) (objectstore.Info, error) {
	began := time.Now()
	info, err := l.on.heads.Head(ctx, l.request.Target.Spec.Original)
	l.times.add("head", began, l.on.metrics)
	return info, err
}

// checkFailures refuses an original that failed too often. A memory that does not answer
// lets it pass.
func (l *leader) checkFailures(ctx context.Context) error {
	began := time.Now()
	err := l.on.failures.Check(ctx, l.request.Target.Spec, l.request.Target.Key, l.on.fleet.Engines())
	l.times.add("failure", began, l.on.metrics)
	switch {
	case fault.Is(err, fault.Failing):
		l.on.admitter.CountRefusal(throttle.Failure)
		return err
	case err != nil:
		l.on.metrics.unremembered.Inc()
		l.on.log.Warn("the failure memory does not answer: the request passes", "request", l.request.ID, "error", err)
	}
	return nil
}

// admit asks the coordinator, as long as somebody waits. A lane that is full because the
// queue stalls is asked for again, until an election of the queue's must be over.
func (l *leader) admit(ctx context.Context, w work) (admission.Lease, bool, error) {
	began := time.Now()
	defer func() { l.times.add("admit", began, l.on.metrics) }()
	ctx, stop := untilAbandoned(ctx, l.flight)
	defer stop()
	held, done, err := l.on.admitter.Admit(ctx, w.admission())
	for fault.Is(err, fault.LaneFull) && l.on.stall.isOfQueue() && time.Since(began) < 2*deadline.Election {
		if periodic.Sleep(ctx, againAfter()) != nil {
			break
		}
		held, done, err = l.on.admitter.Admit(ctx, w.admission())
	}
	if (err == nil && !done) || fault.Is(err, fault.LaneFull) {
		l.on.metrics.offered.WithLabelValues(string(l.request.Target.Spec.Type)).Inc()
	}
	return held, done, err
}

// againAfter spreads those that ask again, so that they do not ask at the same moment.
func againAfter() time.Duration {
	return 300*time.Millisecond + rand.N(400*time.Millisecond) //nolint:gosec // no secret
}

// untilAbandoned gives a context that ends when nobody waits for the flight any more. stop
// ends it, and waits for the goroutine that watches.
func untilAbandoned(ctx context.Context, f *flight.Flight[Thumb]) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-f.Abandoned():
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-watching }
}
