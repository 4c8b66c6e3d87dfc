package obtain

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/cost"
	"github.com/thumbmill/thumbmill/shared/objectstore"
)

// admitting asks for a flight's places, as long as somebody waits for it.
type admitting struct {
	estimator estimator
	buckets   buckets
	admitter  patient
	rides     *rides
	next      *granting
	metrics   metrics
}

func newAdmitting(c Config, m metrics) *admitting {
	costs, together := &cost.Book{}, newRides()
	return &admitting{
		estimator: estimator{c.Settings.Throttle.Expensive, costs}, buckets: buckets{c.Settings.Render.Buckets, c.Stored},
		admitter: patient{c.Admitter, stall{c.Queue, c.Backlog, c.Fleet}},
		rides:    together, next: newGranting(c, costs, together, m), metrics: m,
	}
}

// grant is what came of asking: a lease; or done, when another flight rendered the
// thumbnail meanwhile; or the fault of a refusal.
type grant struct {
	lease   admission.Lease
	done    bool
	refusal error
	ticket  *ticket // of a flight that comes along with another's job; else nil
}

// admit reports whether the flight is over. It is not when another's render was, and may
// have brought nothing. The error is a refusal that is this client's alone.
func (on *admitting) admit(ctx context.Context, l *leader, original objectstore.Info) (over bool, err error) {
	began := time.Now()
	w := on.buckets.look(ctx, on.estimator.estimate(l.request, l.client, original))
	g := on.ask(ctx, w, l.flight.Abandoned())
	defer g.ticket.decline() // unless it boards
	l.times.add("admit", began, on.metrics)
	return on.next.proceed(ctx, l, w, g)
}
