package obtain

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/flight"
	"github.com/thumbmill/thumbmill/edge/internal/places"
	"github.com/thumbmill/thumbmill/shared/objectstore"
)

// admitting asks for a flight's places while a client waits for the flight.
type admitting struct {
	estimator estimator
	buckets   buckets
	places    *places.Places
	next      *granting
	metrics   metrics
}

func newAdmitting(c Config, widths *ownWidths, m metrics) *admitting {
	learned := &costs{}
	return &admitting{
		estimator: estimator{c.Fleet, c.Settings.Throttle.Expensive, learned, c.Settings.Renderer.TimeLimit}, buckets: buckets{c.Settings.Render.Buckets, c.Stored},
		places: c.Places, next: newGranting(c, newRendering(c, learned, widths, m), m), metrics: m,
	}
}

// admit reports whether the flight is over. A flight is not over when another flight's render of the
// thumbnail ended and the thumbnail is not in the store. The error is a refusal that concerns only
// this client.
func (on *admitting) admit(ctx context.Context, l *leader, original objectstore.Info) (over bool, err error) {
	began := time.Now()
	waiting, stop := untilDeserted(ctx, l.flight)
	defer stop()
	w := on.estimator.estimate(l.request, l.client, original)
	if err := on.estimator.impossible(w); err != nil {
		l.fail(err)
		return true, nil
	}
	defer on.estimator.costs.hold(w)()
	w = on.buckets.look(waiting, w)
	g := on.places.Get(waiting, w.need())
	defer g.Close()
	stop() // the next steps watch for an abandoned flight themselves
	l.times.add("admit", began, on.metrics)
	return on.next.proceed(ctx, l, w, g)
}

// refuseFull is Obtainer.refuseFull. It refuses no work that a bucket may move to another lane: only the store knows.
func (on *admitting) refuseFull(r Request, asks bool) error {
	w := on.estimator.estimate(r, r.Client, objectstore.Info{})
	if w.bucket = on.buckets.width(w); w.bucketHelps() {
		return nil
	}
	return on.places.RefuseFull(w.need(), asks)
}

// untilDeserted returns a context that ends when the client that leads the flight has left it. stop ends the
// context and waits for the watching goroutine; a second call does nothing.
func untilDeserted(ctx context.Context, f *flight.Flight[Thumb]) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-f.Deserted():
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-watching }
}
