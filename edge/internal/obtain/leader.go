package obtain

import (
	"context"
	"log/slog"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/flight"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// leading takes flights through the steps that need no place: the head of the original, and the
// failure memory.
type leading struct {
	heads     Heads
	failures  Failures
	fleet     Fleet
	throttles Throttles
	next      *admitting
	metrics   metrics
	log       *slog.Logger
}

func newLeading(c Config, widths *ownWidths, m metrics) *leading {
	return &leading{
		heads: c.Heads, failures: c.Failures, fleet: c.Fleet, throttles: c.Throttles, next: newAdmitting(c, widths, m), metrics: m, log: c.Log,
	}
}

// leader is the request that leads a flight.
type leader struct {
	flight  *flight.Flight[Thumb]
	request Request
	client  string // of the throttles
	times   Times
	granted time.Time // when the coordinator answered
}

func (l *leader) fail(err error) { l.flight.Answer(Thumb{Times: l.times}, err) }

// lead takes the flight through its steps, and answers it. It returns an error only for a refusal
// that concerns only this client; another client's request then leads the flight.
func (on *leading) lead(ctx context.Context, l *leader) error {
	original, err := on.head(ctx, l)
	if err != nil {
		l.fail(err)
		return nil
	}
	for range rounds {
		if err := on.checkFailures(ctx, l); err != nil {
			l.fail(err)
			return nil
		}
		over, err := on.next.admit(ctx, l, original)
		if over {
			return err
		}
	}
	l.flight.Answer(Thumb{Times: l.times}, fault.New(fault.ThumbStore, "other edges rendered this thumbnail %d times and did not store it: ask again later", rounds))
	return nil
}

func (on *leading) head(ctx context.Context, l *leader) (objectstore.Info, error) {
	began := time.Now()
	info, err := on.heads.Head(ctx, l.request.Target.Spec.Original)
	l.times.add("head", began, on.metrics)
	return info, err
}

// checkFailures returns the fault Failing for an original that failed too often. When the failure
// memory does not answer, the request passes.
func (on *leading) checkFailures(ctx context.Context, l *leader) error {
	began := time.Now()
	t := l.request.Target
	err := on.failures.Check(ctx, t.Spec, t.Key, on.fleet.Engines(t.Spec.Type))
	l.times.add("failure", began, on.metrics)
	switch {
	case fault.Is(err, fault.Failing):
		on.throttles.CountRefusal(throttle.Failure)
		return err
	case err != nil:
		on.metrics.unremembered.Inc()
		on.log.Warn("ask the failure memory; the request passes", "request", l.request.ID, "error", err)
	}
	return nil
}
