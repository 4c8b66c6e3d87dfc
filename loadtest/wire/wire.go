// Package wire is a TCP connection that tests can cut, or make lose what comes
// back.
package wire

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Link is a TCP connection that can be cut, or made to lose what comes back.
type Link struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	down  bool
	mute  chan struct{} // while open, nothing comes back
	deaf  chan struct{} // while open, nothing is passed on
	group sync.WaitGroup
}

// New listens, and passes on to the target.
func New(t testing.TB, target string) *Link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	l.group.Go(l.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		l.Thaw()
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
		l.group.Go(func() { _, _ = io.Copy(held{out, l, &l.deaf}, in); l.drop(in, out) })
		l.group.Go(func() { _, _ = io.Copy(held{in, l, &l.mute}, out); l.drop(in, out) })
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

// Freeze keeps back what either side says, as a network does that loses everything.
func (l *Link) Freeze() {
	l.Mute()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deaf = make(chan struct{})
}

// Thaw lets everything through, what was kept back first.
func (l *Link) Thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, gate := range []*chan struct{}{&l.mute, &l.deaf} {
		if *gate != nil {
			close(*gate)
			*gate = nil
		}
	}
}

// held is one direction, with the gate that holds it back.
type held struct {
	io.Writer
	link *Link
	gate *chan struct{}
}

func (h held) Write(p []byte) (int, error) {
	h.link.mu.Lock()
	gate := *h.gate
	h.link.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return h.Writer.Write(p)
}
