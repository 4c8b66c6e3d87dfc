package obtain

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/cost"
	"github.com/thumbmill/thumbmill/edge/internal/flight"
	"github.com/thumbmill/thumbmill/shared/objectstore"
)

// admitting asks for a flight's places, as long as somebody waits for it.
type admitting struct {
	estimator estimator
	buckets   buckets
	admitter  patient
	rides     *rides
	convoys   *convoys
	fleet     Fleet
	next      *granting
	metrics   metrics
}

func newAdmitting(c Config, m metrics) *admitting {
	costs, together := &cost.Book{}, newRides()
	return &admitting{
		estimator: estimator{c.Settings.Throttle.Expensive, costs}, buckets: buckets{c.Settings.Render.Buckets, c.Stored},
		admitter: patient{c.Admitter, stall{c.Queue, c.Backlog, c.Fleet}},
		rides:    together, convoys: newConvoys(c.Settings.Throttle.QueueWait + boardWithin), fleet: c.Fleet, next: newGranting(c, costs, together, m), metrics: m,
	}
}

// grant is what came of asking: a lease; or done, when another flight rendered the
// thumbnail meanwhile; or the fault of a refusal.
type grant struct {
	lease   admission.Lease
	done    bool
	refusal error
	ticket  *ticket // of a flight that comes along with another's job; else nil
	convoy  *convoy // whose first flight this is; else nil
}

// admit reports whether the flight is over. It is not when another's render was, and may
// have brought nothing. The error is a refusal that is this client's alone.
func (on *admitting) admit(ctx context.Context, l *leader, original objectstore.Info) (over bool, err error) {
	began := time.Now()
	waiting, stop := untilAbandoned(ctx, l.flight)
	defer stop()
	w := on.buckets.look(waiting, on.estimator.estimate(l.request, l.client, original))
	g := on.ask(waiting, w)
	defer g.ticket.decline() // unless it boards
	defer g.convoy.end(nil)  // unless its job was published
	stop()                   // from here on the flight minds for itself
	l.times.add("admit", began, on.metrics)
	return on.next.proceed(ctx, l, w, g)
}

// untilAbandoned gives a context that ends when nobody waits for the flight any more. stop
// ends it, and waits for the goroutine that watches; a second call does nothing.
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
