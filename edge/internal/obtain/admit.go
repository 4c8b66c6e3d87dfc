package obtain

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/flight"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// admitting asks for a flight's places while a client waits for the flight.
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

func newAdmitting(c Config, widths *ownWidths, m metrics) *admitting {
	learned, together := &costs{}, newRides()
	return &admitting{
		estimator: estimator{c.Fleet, c.Settings.Throttle.Expensive, learned, c.Settings.Renderer.TimeLimit}, buckets: buckets{c.Settings.Render.Buckets, c.Stored},
		admitter: patient{c.Admitter, stall{c.Queue, c.Backlog, c.Fleet}, newLines(c)},
		rides:    together, convoys: newConvoys(longestWait(c.Settings) + boardWithin), fleet: c.Fleet, next: newGranting(c, newRendering(c, learned, together, widths, m), m), metrics: m,
	}
}

// longestWait bounds the wait of a flight in its client's line and then at the coordinator.
func longestWait(s settings.Settings) time.Duration {
	behind := s.Deadline().Behind() // a slow flight also waits so long at the coordinator
	return behind + max(s.Throttle.QueueWait, behind)
}

// grant is the answer to a flight's request for places: a lease; or done, when another flight
// rendered the thumbnail meanwhile; or the fault of a refusal.
type grant struct {
	lease   admission.Lease
	done    bool
	refusal error
	ticket  *ticket // the ride of a flight that rides with another job; else nil
	convoy  *convoy // the convoy of its first flight; nil for other flights
}

// admit reports whether the flight is over. A flight is not over when another flight's render of the
// thumbnail ended and the thumbnail is not in the store. The error is a refusal that concerns only
// this client.
func (on *admitting) admit(ctx context.Context, l *leader, original objectstore.Info) (over bool, err error) {
	began := time.Now()
	waiting, stop := untilAbandoned(ctx, l.flight)
	defer stop()
	w := on.estimator.estimate(l.request, l.client, original)
	if err := on.estimator.impossible(w); err != nil {
		l.fail(err)
		return true, nil
	}
	defer on.estimator.costs.hold(w)()
	w = on.buckets.look(waiting, w)
	g := on.ask(waiting, w)
	defer g.ticket.decline() // does nothing after board
	defer g.convoy.end(nil)  // does nothing after the job was published
	stop()                   // the next steps watch for an abandoned flight themselves
	l.times.add("admit", began, on.metrics)
	return on.next.proceed(ctx, l, w, g)
}

// untilAbandoned returns a context that ends when the last client has left the flight. stop ends the
// context and waits for the watching goroutine; a second call does nothing.
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
