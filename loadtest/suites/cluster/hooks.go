package cluster

import (
	"context"
	"sync"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Hooks disturb the stores of a cluster.
type Hooks struct {
	mu   sync.Mutex
	gate chan struct{} // while open, reading an original waits
	held int
	puts map[thumbnail.Location]int
	read int // number of opened originals
	// BeforePut is called before a thumbnail is written; its error is the write's.
	BeforePut func(at thumbnail.Location) error
}

// Hold makes renderers wait after they have opened an original, until release is called.
func (h *Hooks) Hold() (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	gate := make(chan struct{})
	h.gate = gate
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.gate == gate {
			h.gate = nil
		}
		close(gate)
	})
}

// Held returns the number of renders that wait for release.
func (h *Hooks) Held() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held
}

func (h *Hooks) wait(ctx context.Context) {
	h.mu.Lock()
	gate := h.gate
	h.held++
	h.read++
	h.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
		}
	}
	h.mu.Lock()
	h.held--
	h.mu.Unlock()
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

// hooked is a store with hooks.
type hooked struct {
	objectstore.Store // all methods but Open and Put are the store's own
	hooks             *Hooks
	name              string
}

func (s hooked) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	if s.name == "originals" {
		s.hooks.wait(ctx)
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
