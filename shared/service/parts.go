package service

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Parts start in order and stop in the opposite one.
type Parts []Part

// Start starts all; when one fails, or ctx ends, those before it are stopped again.
func (p Parts) Start(ctx context.Context) error {
	for i, part := range p {
		if err := errors.Join(part.Start(ctx), ctx.Err()); err != nil {
			return errors.Join(err, p[:i+1].Stop(context.WithoutCancel(ctx)))
		}
	}
	return nil
}

// Stop stops all, last first.
func (p Parts) Stop(ctx context.Context) error {
	var all []error
	for _, part := range slices.Backward(p) {
		all = append(all, part.Stop(ctx))
	}
	return errors.Join(all...)
}

// Lazy is a part that is made when it is started, which is after those before it have.
func Lazy(make func() (Part, error)) Part { return &lazy{make: make} }

type lazy struct {
	make func() (Part, error)
	part Part // nil before Start, and when it could not be made
}

// Start makes the part and starts it.
func (l *lazy) Start(ctx context.Context) error {
	part, err := l.make()
	if err != nil {
		return err
	}
	l.part = part
	return part.Start(ctx)
}

// Stop stops the part that was made.
func (l *lazy) Stop(ctx context.Context) error {
	if l.part == nil {
		return nil
	}
	return l.part.Stop(ctx)
}

// Stopper is a part that runs since it was made, and is only stopped: once, by the first
// Stop.
func Stopper(stop func(context.Context) error) Part { return &stopper{stop: stop} }

// Closer is a Stopper that does not wait for a context.
func Closer(end func() error) Part {
	return Stopper(func(context.Context) error { return end() })
}

// Deferred is a Closer that does not fail.
func Deferred(end func()) Part {
	return Stopper(func(context.Context) error { end(); return nil })
}

type stopper struct {
	once sync.Once
	stop func(context.Context) error
}

// Start does nothing.
func (*stopper) Start(context.Context) error { return nil }

// Stop stops, the first time.
func (s *stopper) Stop(ctx context.Context) (err error) {
	s.once.Do(func() { err = s.stop(ctx) })
	return err
}
