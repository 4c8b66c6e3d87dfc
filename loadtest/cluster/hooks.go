package cluster

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Hooks disturb the stores of a cluster.
type Hooks struct {
	mu   sync.Mutex
	gate chan struct{} // while open, reading an original waits
	held int
	puts map[thumbnail.Location]int
	// BeforePut is called before a thumbnail is written; its error is the write's.
	BeforePut func(at thumbnail.Location) error
}

// Hold makes renderers wait with the original in their hands, until the function
// that it returns is called.
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

// Held is how many originals are waited with.
func (h *Hooks) Held() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held
}

func (h *Hooks) wait(ctx context.Context) {
	h.mu.Lock()
	gate := h.gate
	h.held++
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

// Puts is how often a thumbnail was written, over all keys.
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
	objectstore.Store
	hooks *Hooks
	name  string
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

// Link is a TCP connection that can be cut, or made to lose what comes back.
type Link struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	down  bool
	mute  chan struct{} // while open, nothing comes back
	group sync.WaitGroup
}

// NewLink listens, and passes on to the target.
func NewLink(t testing.TB, target string) *Link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	l.group.Go(l.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		l.Unmute()
		l.Cut()
		l.group.Wait()
	})
	return l
}

// Addr is where the link listens.
func (l *Link) Addr() string { return l.listener.Addr().String() }

func (l *Link) accept() {
	for {
		in, err := l.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", l.target)
		if err != nil || !l.add(in, out) {
			_ = in.Close()
			if out != nil {
				_ = out.Close()
			}
			continue
		}
		l.group.Go(func() { _, _ = io.Copy(out, in); l.drop(in, out) })
		l.group.Go(func() { _, _ = io.Copy(muted{in, l}, out); l.drop(in, out) })
	}
}

func (l *Link) add(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		if !l.down {
			l.conns[c] = struct{}{}
		}
	}
	return !l.down
}

func (l *Link) drop(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(l.conns, c)
	}
}

// Cut ends all connections and refuses new ones.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for c := range l.conns {
		_ = c.Close()
	}
}

// Mend takes connections again.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

// Mute keeps back what the target says.
func (l *Link) Mute() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mute = make(chan struct{})
}

// Unmute lets it through, what was kept back first.
func (l *Link) Unmute() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mute != nil {
		close(l.mute)
		l.mute = nil
	}
}

type muted struct {
	io.Writer
	link *Link
}

func (m muted) Write(p []byte) (int, error) {
	m.link.mu.Lock()
	mute := m.link.mute
	m.link.mu.Unlock()
	if mute != nil {
		<-mute
	}
	return m.Writer.Write(p)
}
