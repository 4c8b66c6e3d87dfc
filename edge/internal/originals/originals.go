// Package originals asks for the heads of originals: shared among all who ask
// at once, and with a bounded memory of those that do not exist, so that a flood
// of requests for what is not there stays away from the store.
package originals

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	timeout     = 5 * time.Second
	absentFor   = time.Second // MediaWiki tells nobody of the first upload of a file
	absentBound = 100_000
)

// Heads asks a store.
type Heads struct {
	store   objectstore.Store
	absent  *otter.Cache[thumbnail.Location, struct{}]
	flights singleflight.Group
	base    context.Context //nolint:containedctx // of all questions; ended by Close
	cancel  context.CancelFunc
	asking  sync.WaitGroup
}

// New makes it.
func New(store objectstore.Store) (*Heads, error) {
	absent, err := otter.New(&otter.Options[thumbnail.Location, struct{}]{
		MaximumSize:      absentBound,
		ExpiryCalculator: otter.ExpiryWriting[thumbnail.Location, struct{}](absentFor),
		Executor:         func(work func()) { work() },
	})
	h := &Heads{store: store, absent: absent}
	h.base, h.cancel = context.WithCancel(context.Background())
	return h, err
}

// Close ends what runs in the background, after the last caller has left.
func (h *Heads) Close() {
	h.cancel()
	h.asking.Wait()
	h.absent.StopAllGoroutines()
}

// Head tells of an original. Faults: Absent, OriginalStore.
func (h *Heads) Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error) {
	if _, known := h.absent.GetIfPresent(at); known {
		return objectstore.Info{}, absentFault(at)
	}
	answer := h.flights.DoChan(key(at), func() (any, error) { return h.askStore(at) })
	select {
	case <-ctx.Done():
		return objectstore.Info{}, ctx.Err()
	case r := <-answer:
		return r.Val.(objectstore.Info), r.Err
	}
}

// Forget lets an original that was absent be asked for again at once.
func (h *Heads) Forget(at thumbnail.Location) {
	h.absent.Invalidate(at)
	h.flights.Forget(key(at))
}

// ForgetAll is Forget for all originals.
func (h *Heads) ForgetAll() { h.absent.InvalidateAll() }

func key(at thumbnail.Location) string { return at.Container + "\x00" + at.Path }

func absentFault(at thumbnail.Location) error {
	return fault.New(fault.Absent, "the original %s does not exist", at)
}

// askStore is not bound to one of those who wait for it.
func (h *Heads) askStore(at thumbnail.Location) (objectstore.Info, error) {
	h.asking.Add(1)
	defer h.asking.Done()
	ctx, cancel := context.WithTimeout(h.base, timeout)
	defer cancel()
	info, err := h.store.Head(ctx, at)
	switch {
	case err == nil:
		return info, nil
	case errors.Is(err, objectstore.ErrNotFound):
		h.absent.Set(at, struct{}{})
		return info, absentFault(at)
	}
	return info, objectstore.Fault(err)
}
