package cluster

import (
	"context"
	"sync"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Hooks disturb the renders and the stores of a cluster.
type Hooks struct {
	mu    sync.Mutex
	gate  chan struct{} // while open, renders wait, or reads of originals if reads is true
	reads bool
	held  int
	puts  map[thumbnail.Location]int
	read  int // number of opened originals
	// BeforePut is called before a thumbnail is written; its error is the write's.
	BeforePut func(at thumbnail.Location) error
}

// Hold makes renders without workers wait, with their original at hand, until release is called.
func (h *Hooks) Hold() (release func()) { return h.hold(false) }

// HoldReads makes renderers wait before they open an original, until release is called. A render that
// waits so long steps aside.
func (h *Hooks) HoldReads() (release func()) { return h.hold(true) }

func (h *Hooks) hold(reads bool) (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	gate := make(chan struct{})
	h.gate, h.reads = gate, reads
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.gate == gate {
			h.gate = nil
		}
		close(gate)
	})
}

// Held returns the number of renders or reads that wait for release.
func (h *Hooks) Held() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held
}

// wait waits while renders are held, or reads if reads is true.
func (h *Hooks) wait(ctx context.Context, reads bool) {
	h.mu.Lock()
	gate := h.gate
	if gate == nil || h.reads != reads {
		h.mu.Unlock()
		return
	}
	h.held++
	h.mu.Unlock()
	select {
	case <-gate:
	case <-ctx.Done():
	}
	h.mu.Lock()
	h.held--
	h.mu.Unlock()
}

// holding returns a render that first waits while renders are held.
func (h *Hooks) holding(render drawing) drawing {
	return func(ctx context.Context, s thumbnail.Spec) ([]byte, error) {
		h.wait(ctx, false)
		return render(ctx, s)
	}
}

func (h *Hooks) countRead() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read++
}

// Read returns how often an original was opened.
func (h *Hooks) Read() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.read
}

// Puts returns how often a thumbnail was written, over all keys.
func (h *Hooks) Puts() (total int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.puts {
		total += n
	}
	return total
}

func (h *Hooks) put(at thumbnail.Location) error {
	h.mu.Lock()
	if h.puts == nil {
		h.puts = map[thumbnail.Location]int{}
	}
	h.puts[at]++
	before := h.BeforePut
	h.mu.Unlock()
	if before != nil {
		return before(at)
	}
	return nil
}

// drawing is a render without workers.
type drawing func(ctx context.Context, s thumbnail.Spec) ([]byte, error)

// hooked is a store with hooks.
type hooked struct {
	objectstore.Store // all methods but Open and Put are the store's own
	hooks             *Hooks
	name              string
}

func (s hooked) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	if s.name == "originals" {
		s.hooks.countRead()
		s.hooks.wait(ctx, true)
	}
	return s.Store.Open(ctx, at)
}

func (s hooked) Put(ctx context.Context, at thumbnail.Location, body []byte, meta objectstore.Meta) error {
	if err := s.hooks.put(at); err != nil {
		return err
	}
	return s.Store.Put(ctx, at, body, meta)
}

// Origin names the loader and the host of an original, as the store's own method does.
func (s hooked) Origin(at thumbnail.Location) string { return objectstore.Origin(s.Store, at) }
