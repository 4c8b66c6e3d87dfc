// Package originals asks for the heads of originals. Requests that ask for the same original at
// once share one question. A bounded memory of absent originals keeps a flood of requests for them
// away from the store.
package originals

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/thumbmill/thumbmill/shared/cache"
	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	absentFor   = time.Second // short, because nobody may send PURGE when a file is new
	absentBound = 100_000
)

// Heads asks a store for heads. Its methods are safe for concurrent use.
type Heads struct {
	store   objectstore.Store
	absent  cache.Cache[thumbnail.Location, struct{}]
	flights singleflight.Group
	base    context.Context //nolint:containedctx // bounds all questions; Close ends it
	cancel  context.CancelFunc
	asking  sync.WaitGroup
	forgets atomic.Uint64 // calls of Forget and ForgetAll
}

// New returns the heads of a store. The caller must close them.
func New(store objectstore.Store) (*Heads, error) {
	absent, err := otter.New(&otter.Options[thumbnail.Location, struct{}]{
		MaximumSize:      absentBound,
		ExpiryCalculator: otter.ExpiryWriting[thumbnail.Location, struct{}](absentFor),
		Executor:         cache.InCaller,
	})
	h := &Heads{store: store, absent: absent}
	h.base, h.cancel = context.WithCancel(context.Background())
	return h, err
}

// Close cancels the questions under way, and stops the goroutines. No caller may use the heads after
// Close.
func (h *Heads) Close() {
	h.cancel()
	h.asking.Wait()
	h.absent.StopAllGoroutines()
}

// Head returns the head of an original. Faults: Absent, OriginalStore.
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

// Forget forgets that an original is absent. The next request asks the store.
func (h *Heads) Forget(at thumbnail.Location) {
	h.forgets.Add(1)
	h.absent.Invalidate(at)
	h.flights.Forget(key(at))
}

// ForgetAll is Forget for all originals.
func (h *Heads) ForgetAll() {
	h.forgets.Add(1)
	h.absent.InvalidateAll()
}

// remember remembers that an original was absent when since calls had asked to forget one. An answer of
// before such a call may be older than the file.
func (h *Heads) remember(at thumbnail.Location, since uint64) {
	h.absent.Set(at, struct{}{})
	if h.forgets.Load() != since {
		h.absent.Invalidate(at)
	}
}

func key(at thumbnail.Location) string { return at.Container + "\x00" + at.Path }

func absentFault(at thumbnail.Location) error {
	return fault.New(fault.Absent, "the original %s does not exist: check its name, or upload it", at)
}

// askStore asks the store. Its context is not one request's, because several requests may wait for the
// answer.
func (h *Heads) askStore(at thumbnail.Location) (objectstore.Info, error) {
	h.asking.Add(1)
	defer h.asking.Done()
	ctx, cancel := context.WithTimeout(h.base, deadline.Head)
	defer cancel()
	since := h.forgets.Load()
	info, err := h.store.Head(ctx, at)
	switch {
	case err == nil:
		return info, nil
	case errors.Is(err, objectstore.ErrNotFound):
		h.remember(at, since)
		return info, absentFault(at)
	}
	return info, objectstore.Fault(err)
}
