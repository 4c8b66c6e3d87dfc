package service

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Parts start in order and stop in reverse order.
type Parts []Part

// Start starts all parts. If a part fails or ctx ends, Start stops that part and the parts before it,
// and returns the errors.
func (p Parts) Start(ctx context.Context) error {
	for i, part := range p {
		if err := errors.Join(part.Start(ctx), ctx.Err()); err != nil {
			return errors.Join(err, p[:i+1].Stop(context.WithoutCancel(ctx)))
		}
	}
	return nil
}

// Stop stops all parts, the last first.
func (p Parts) Stop(ctx context.Context) error {
	var all []error
	for _, part := range slices.Backward(p) {
		all = append(all, part.Stop(ctx))
	}
	return errors.Join(all...)
}

// Lazy returns a part that is made at its start, after the parts before it have started.
func Lazy(make func() (Part, error)) Part { return &lazy{make: make} }

type lazy struct {
	make func() (Part, error)
	part Part // nil before Start, and after a failure to make it
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

// Stop stops the part if it was made.
func (l *lazy) Stop(ctx context.Context) error {
	if l.part == nil {
		return nil
	}
	return l.part.Stop(ctx)
}

// Stopper returns a part that runs before Start and only needs a stop. The first Stop calls stop, and
// further ones do nothing.
func Stopper(stop func(context.Context) error) Part { return &stopper{stop: stop} }

// Closer returns a Stopper without a context.
func Closer(end func() error) Part {
	return Stopper(func(context.Context) error { return end() })
}

// Deferred returns a Closer without an error.
func Deferred(end func()) Part {
	return Stopper(func(context.Context) error { end(); return nil })
}

type stopper struct {
	once sync.Once
	stop func(context.Context) error
}

// Start does nothing.
func (*stopper) Start(context.Context) error { return nil }

// Stop calls stop, the first time.
func (s *stopper) Stop(ctx context.Context) (err error) {
	s.once.Do(func() { err = s.stop(ctx) })
	return err
}
