// Package gate takes the coordinator's connections: it bounds their number, finds
// out by the first bytes which protocol a client speaks, and ends them all when
// the coordinator stops.
package gate

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

// MaxConnections bounds the memory that connections can take, together with half
// of the process's descriptors; a further one is closed at once.
const MaxConnections = 20_000

// Protocol serves connections. The reader holds what was read of one already; its
// buffer is poolcounter.MaxLine bytes. When the connection has ended, be that
// before Serve returns or long after it, the protocol calls ended.
type Protocol interface {
	Serve(conn net.Conn, in *bufio.Reader, ended func())
}

// Gate serves listeners.
type Gate struct {
	classic, native Protocol
	log             *slog.Logger
	most            int
	refused         atomic.Int64

	mu     sync.Mutex
	count  int
	conns  map[net.Conn]struct{} // those that this package or the native protocol reads
	closed bool
	group  sync.WaitGroup
}

// New makes a gate to PoolCounter's protocol and the coordinator's own.
func New(classic, native Protocol, log *slog.Logger) *Gate {
	return &Gate{classic: classic, native: native, log: log, most: mostConnections(), conns: map[net.Conn]struct{}{}}
}

// mostConnections leaves descriptors for the rest of the process.
func mostConnections() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return MaxConnections
	}
	return int(min(MaxConnections, max(16, limit.Cur/2)))
}

// Connections is how many clients are connected.
func (g *Gate) Connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// Refused is how many connections could not be taken.
func (g *Gate) Refused() int64 { return g.refused.Load() }

// Serve accepts connections until the listener is closed.
func (g *Gate) Serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors: the connections that end make room
			g.refused.Add(1)
			g.log.Warn("a connection could not be accepted", "error", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if !g.admit(conn) {
			g.refused.Add(1)
			_ = conn.Close()
		}
	}
}

func (g *Gate) admit(conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.count >= g.most {
		return false
	}
	g.count++
	g.conns[conn] = struct{}{}
	g.group.Go(func() { g.serve(conn) })
	return true
}

func (g *Gate) serve(conn net.Conn) {
	in := bufio.NewReaderSize(conn, poolcounter.MaxLine)
	if greets(conn, in) {
		g.native.Serve(conn, in, g.ended)
	} else {
		g.classic.Serve(conn, in, g.ended)
	}
	_ = conn.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, conn)
}

func (g *Gate) ended() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count--
}

// greetingTimeout bounds the time from a greeting's first byte to its last. Before
// that a connection may be idle for as long as it likes, as at the original.
const greetingTimeout = 5 * time.Second

// greets reports whether the client begins with the greeting. It reads no more
// than it takes to tell, so that a short command of PoolCounter's is answered.
func greets(conn net.Conn, in *bufio.Reader) bool {
	const greeting = lease.Greeting + " "
	for n := 1; ; n = min(in.Buffered()+1, len(greeting)) {
		if _, err := in.Peek(n); err != nil {
			return false
		}
		begin, _ := in.Peek(min(in.Buffered(), len(greeting)))
		if n == 1 {
			_ = conn.SetReadDeadline(time.Now().Add(greetingTimeout))
			defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
		}
		if !strings.HasPrefix(greeting, string(begin)) || len(begin) == len(greeting) {
			return string(begin) == greeting
		}
	}
}

// Close disconnects the clients that have a goroutine, and waits for these, at
// most until ctx ends. No connection is given to a protocol after it.
func (g *Gate) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	for conn := range g.conns {
		_ = conn.Close()
	}
	g.mu.Unlock()
	ended := make(chan struct{})
	go func() { g.group.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
