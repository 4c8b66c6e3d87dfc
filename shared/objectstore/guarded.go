package objectstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/shared/breaker"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Breaker makes the circuit breaker of one store. It opens if at least ten operations within ten
// seconds failed and they were more than half, and tries again after five seconds. ErrNotFound, ErrFull
// and a caller that left are not failures.
func Breaker(name string, log *slog.Logger) *gobreaker.CircuitBreaker[any] {
	return breaker.New[any](gobreaker.Settings{
		Name: name, Interval: 10 * time.Second, Timeout: 5 * time.Second, MaxRequests: 3,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.TotalFailures >= 10 && c.TotalFailures*2 > c.Requests
		},
		IsSuccessful: func(err error) bool {
			return err == nil || IsAnswer(err) || errors.Is(err, ErrElsewhere) || errors.Is(err, context.Canceled)
		},
	}, log)
}

// IsAnswer reports whether an error is an answer of a store that works.
func IsAnswer(err error) bool {
	for _, answer := range []error{ErrNotFound, ErrFull, ErrReadOnly, ErrRefused, errors.ErrUnsupported} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// NewSeconds makes the metric that Guard observes.
func NewSeconds() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "thumbmill_store_seconds", Help: "Time of operations on object stores.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"store", "operation", "outcome"})
}

// Guard puts a circuit breaker and a metric around a store. It calls written with the result of each
// write.
func Guard(s Store, breaker *gobreaker.CircuitBreaker[any], seconds *prometheus.HistogramVec, written func(error)) Store {
	return guarded{s, breaker, written, seconds, &sync.Map{}}
}

type guarded struct {
	store   Store
	breaker *gobreaker.CircuitBreaker[any]
	written func(error)
	seconds *prometheus.HistogramVec
	known   *sync.Map // observers of seconds, by operation and outcome: a bounded set, read at each hit
}

func (g guarded) observe(operation, outcome string, took time.Duration) {
	type which struct{ operation, outcome string }
	known, ok := g.known.Load(which{operation, outcome})
	if !ok {
		known = g.seconds.WithLabelValues(g.breaker.Name(), operation, outcome)
		g.known.Store(which{operation, outcome}, known)
	}
	known.(prometheus.Observer).Observe(took.Seconds())
}

func (g guarded) do(operation string, f func() error) error {
	began := time.Now()
	_, err := g.breaker.Execute(func() (any, error) { return nil, f() })
	g.observe(operation, outcome(err), time.Since(began))
	return err
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrNotFound):
		return "not-found"
	case errors.Is(err, ErrFull):
		return "full"
	case errors.Is(err, ErrReadOnly):
		return "read-only"
	case errors.Is(err, ErrRefused):
		return "refused"
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return "breaker-open"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	return "error"
}

func (g guarded) Head(ctx context.Context, at thumbnail.Location) (info Info, err error) {
	err = g.do("head", func() error { info, err = g.store.Head(ctx, at); return err })
	return info, err
}

func (g guarded) Open(ctx context.Context, at thumbnail.Location) (object Object, info Info, err error) {
	err = g.do("open", func() error { object, info, err = g.store.Open(ctx, at); return err })
	return object, info, err
}

func (g guarded) Put(ctx context.Context, at thumbnail.Location, body []byte, meta Meta) error {
	err := g.do("put", func() error { return g.store.Put(ctx, at, body, meta) })
	g.written(err)
	return err
}

func (g guarded) Delete(ctx context.Context, at thumbnail.Location) error {
	return g.do("delete", func() error { return g.store.Delete(ctx, at) })
}

func (g guarded) List(ctx context.Context, in thumbnail.Location, after string) (all []thumbnail.Location, err error) {
	err = g.do("list", func() error { all, err = g.store.List(ctx, in, after); return err })
	return all, err
}

func (g guarded) Plain(at thumbnail.Location) bool { return IsPlain(g.store, at) }

func (g guarded) Close() error { return g.store.Close() }
