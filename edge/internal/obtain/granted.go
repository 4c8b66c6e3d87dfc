package obtain

import (
	"context"
	"errors"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/flight"
	"github.com/thumbmill/thumbmill/edge/internal/places"
	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// lookWithin is the time of a look into the store while the flight holds its places. A slow store would otherwise take
// the places of renders. A thumbnail that is stored after all is rendered again.
const lookWithin = 250 * time.Millisecond

// granting takes a flight from the coordinator's answer on. It looks into the store once more,
// because another edge may have stored the thumbnail between the first look and the grant.
type granting struct {
	stored    Stored
	next      *rendering
	throttles throttle.Table
	deadline  deadline.Split
	metrics   metrics
}

func newGranting(c Config, next *rendering, m metrics) *granting {
	return &granting{stored: c.Stored, next: next, throttles: throttle.All(), deadline: c.Settings.Deadline(), metrics: m}
}

// proceed does the part of admit after the coordinator's answer, with admit's results.
func (on *granting) proceed(ctx context.Context, l *leader, w work, g places.Grant) (over bool, err error) {
	l.granted = time.Now()
	if g.Refusal == nil && !g.Done || fault.Is(g.Refusal, fault.LaneFull) {
		on.metrics.offered.WithLabelValues(string(l.request.Target.Spec.Type)).Inc()
	}
	switch {
	case g.Refusal != nil:
		return true, on.refuse(ctx, l, g.Refusal)
	case on.isStored(ctx, l, w, g):
		if g.Lease != nil {
			g.Lease.Release(admission.Outcome{Stored: true})
		}
		l.flight.Answer(Thumb{Source: Shared, Times: l.times}, nil)
		return true, nil
	case g.Done:
		return false, nil
	}
	on.next.render(ctx, l, w, g)
	return true, nil
}

// isStored looks into the store, for at most lookWithin while the flight holds its places.
func (on *granting) isStored(ctx context.Context, l *leader, w work, g places.Grant) bool {
	if g.Lease != nil {
		within, cancel := context.WithCancel(ctx) // the store's breaker counts deadlines
		defer cancel()
		defer time.AfterFunc(lookWithin, cancel).Stop()
		ctx = within
	}
	return on.stored.IsStored(ctx, l.request.Target, w.version, l.request.Renew)
}

// refuse returns a refusal that concerns only this client, and flight.ErrDeserted if the client left. It answers all
// clients of the flight with any other refusal.
func (on *granting) refuse(ctx context.Context, l *leader, err error) error {
	if f := fault.Of(err); on.throttles.IsOfClient(f) {
		return f
	}
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() == nil:
		return flight.ErrDeserted
	case errors.Is(err, context.Canceled):
		err = fault.Wrap(err, fault.Unavailable, "this edge stops: try again")
	case errors.Is(err, context.DeadlineExceeded):
		err = fault.Wrap(err, fault.Deadline, "the thumbnail was not ready within %v: ask again later", on.deadline.Whole)
	}
	l.flight.Answer(Thumb{Times: l.times}, err)
	return nil
}
