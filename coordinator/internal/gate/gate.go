// Package gate accepts the coordinator's connections. It bounds their number, detects each client's
// protocol by its first bytes, and ends all connections when the coordinator stops.
package gate

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

// MaxConnections bounds the connections and so their memory; half of the process's descriptors is a
// second bound. The gate closes further connections at once.
const MaxConnections = 20_000

// Protocol serves connections. The reader may hold bytes of the connection already; its buffer has
// poolcounter.MaxLine bytes. The protocol calls ended at the end of the connection, before or after
// Serve returns.
type Protocol interface {
	Serve(conn net.Conn, in *bufio.Reader, ended func())
}

// Config is the configuration of a gate.
type Config struct {
	// Listen are addresses: host:port, where port 0 takes any free port, or unix:PATH.
	Listen []string
	// Classic and Native are PoolCounter's protocol and the coordinator's own.
	Classic, Native Protocol
	// Networks may use the classic protocol; unix sockets always may.
	Networks []netip.Prefix
	// TLS encrypts the native protocol; nil: clients connect without encryption.
	TLS *tls.Config
	Log *slog.Logger
}

// Gate serves listeners, and is a part of the coordinator (service.Part).
type Gate struct {
	config    Config
	listeners []net.Listener
	most      int
	refused   atomic.Int64
	group     sync.WaitGroup
	stopped   context.Context //nolint:containedctx // its end is the gate's
	stop      context.CancelFunc

	mu     sync.Mutex
	count  int
	conns  map[net.Conn]struct{} // connections that this package or the native protocol reads
	closed bool
}

// New binds the listeners.
func New(c Config) (*Gate, error) {
	g := &Gate{config: c, most: mostConnections(), conns: map[net.Conn]struct{}{}}
	g.stopped, g.stop = context.WithCancel(context.Background())
	for _, address := range c.Listen {
		listener, err := listen(address)
		if err != nil {
			return nil, errors.Join(err, g.Stop(context.Background()))
		}
		g.listeners = append(g.listeners, listener)
	}
	return g, nil
}

// Start serves.
func (g *Gate) Start(context.Context) error {
	for _, l := range g.listeners {
		g.group.Go(func() { g.accept(l) })
	}
	return nil
}

// mostConnections leaves descriptors for the rest of the process.
func mostConnections() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return MaxConnections
	}
	return int(min(MaxConnections, max(16, limit.Cur/2)))
}

// Connections returns the number of connected clients.
func (g *Gate) Connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// Refused returns the number of refused connections.
func (g *Gate) Refused() int64 { return g.refused.Load() }

// acceptAgainAfter is the pause after a failure to accept a connection.
const acceptAgainAfter = 50 * time.Millisecond

// accept accepts connections until the listener is closed.
func (g *Gate) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors: ending connections make room
			g.refused.Add(1)
			g.config.Log.Warn("accept a connection", "error", err)
			_ = periodic.Sleep(g.stopped, acceptAgainAfter)
			continue
		}
		if !g.admit(conn) {
			g.refused.Add(1)
			_ = conn.Close()
		}
	}
}

// admit counts a connection and serves it, unless there are too many.
func (g *Gate) admit(conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.count >= g.most {
		return false
	}
	g.count++
	g.conns[conn] = struct{}{}
	g.group.Go(func() { g.serveConn(conn) })
	return true
}

// serveConn detects a client's protocol, and gives the connection to that protocol.
func (g *Gate) serveConn(conn net.Conn) {
	in := bufio.NewReaderSize(conn, poolcounter.MaxLine)
	switch begins := beginningOf(conn, in); {
	case begins == encrypted && g.config.TLS != nil:
		g.serveEncrypted(conn, in)
	case begins == greeting && (g.config.TLS == nil || isLocal(conn)):
		g.config.Native.Serve(conn, in, g.ended)
	case begins == command && g.fromClassic(conn):
		g.config.Classic.Serve(conn, in, g.ended)
	case begins == nothing:
		g.ended()
	default:
		g.config.Log.Warn("refuse a client", "address", conn.RemoteAddr(), "begins_with", begins)
		g.ended()
	}
	_ = conn.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, conn)
}

// ended stops counting a connection.
func (g *Gate) ended() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count--
}

// fromClassic reports whether a client's address may use PoolCounter's protocol.
func (g *Gate) fromClassic(conn net.Conn) bool {
	if isLocal(conn) {
		return true
	}
	at, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return false
	}
	address := at.AddrPort().Addr().Unmap()
	return slices.ContainsFunc(g.config.Networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// isLocal reports whether a client came over a unix socket. The mode of the socket's file decides which users may
// connect.
func isLocal(conn net.Conn) bool { return conn.RemoteAddr().Network() == "unix" }

// serveEncrypted serves a client that encrypts, in the native protocol. PoolCounter's protocol has no
// encryption.
func (g *Gate) serveEncrypted(conn net.Conn, in *bufio.Reader) {
	c := tls.Server(begun{conn, in}, g.config.TLS)
	_ = c.SetDeadline(time.Now().Add(greetingTimeout))
	if err := c.Handshake(); err != nil {
		g.config.Log.Warn("refuse a client", "address", conn.RemoteAddr(), "error", err)
		g.ended()
		return
	}
	_ = c.SetDeadline(time.Time{})
	g.config.Native.Serve(c, bufio.NewReaderSize(c, poolcounter.MaxLine), g.ended)
	_ = c.Close()
}

// begun is a connection whose first bytes are in a reader already. It embeds the connection because
// tls.Server takes a net.Conn, and replaces only Read.
type begun struct {
	net.Conn
	in *bufio.Reader
}

func (b begun) Read(p []byte) (int, error) { return b.in.Read(p) }

// greetingTimeout bounds the time from a greeting's first byte to its last, and the time of a TLS
// handshake. Before its first byte a connection may be idle without limit, as in the original.
const greetingTimeout = 5 * time.Second

// beginning is the kind of a client's first bytes.
type beginning string

const (
	greeting  beginning = "a greeting"
	encrypted beginning = "TLS"
	command   beginning = "a command"
	nothing   beginning = "" // the client closed the connection without a byte
)

// handshake is the first byte of TLS (RFC 8446, §5.1); no command begins with it.
const handshake = 0x16

// beginningOf returns the kind of the client's first bytes. It reads as few bytes as possible: a short
// PoolCounter command must get its answer.
func beginningOf(conn net.Conn, in *bufio.Reader) beginning {
	const text = lease.Greeting + " "
	for n := 1; ; n = min(in.Buffered()+1, len(text)) {
		if _, err := in.Peek(n); err != nil && in.Buffered() == 0 {
			return nothing
		} else if err != nil {
			return command
		}
		begin, _ := in.Peek(min(in.Buffered(), len(text)))
		switch {
		case begin[0] == handshake:
			return encrypted
		case n == 1:
			_ = conn.SetReadDeadline(time.Now().Add(greetingTimeout))
			defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
		}
		switch {
		case string(begin) == text:
			return greeting
		case !strings.HasPrefix(text, string(begin)):
			return command
		}
	}
}

// Stop closes the listeners, disconnects the clients that have a goroutine, and waits for these
// goroutines until ctx ends. After it no protocol gets a connection.
func (g *Gate) Stop(ctx context.Context) error {
	g.stop()
	for _, l := range g.listeners {
		_ = l.Close() // a second Stop finds it closed
	}
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
