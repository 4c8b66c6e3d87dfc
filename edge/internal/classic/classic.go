// Package classic takes locks at a daemon that speaks only PoolCounter's protocol, such as the
// original daemon.
//
// A connection holds at most four locks (poolcounter.MaxLocks), so a flight with more locks takes
// two connections. The package keeps idle connections.
package classic

import (
	"context"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

const (
	maxIdle        = 256 // connections to one daemon
	releaseTimeout = 2 * time.Second
)

// Connections keeps the idle connections to daemons. Its methods are safe for concurrent use.
type Connections struct {
	mu     sync.Mutex
	idle   map[string][]*poolcounter.Conn // by address
	closed bool
}

// New returns Connections without a connection.
func New() *Connections { return &Connections{idle: map[string][]*poolcounter.Conn{}} }

// get returns an idle connection, or a new one.
func (c *Connections) get(ctx context.Context, address string) (conn *poolcounter.Conn, fresh bool, err error) {
	c.mu.Lock()
	if idle := c.idle[address]; len(idle) > 0 {
		conn, c.idle[address] = idle[len(idle)-1], idle[:len(idle)-1]
	}
	c.mu.Unlock()
	if conn != nil {
		return conn, false, nil
	}
	conn, err = poolcounter.Dial(ctx, address)
	return conn, true, err
}

// put takes back a connection. It keeps a usable connection without locks, and closes any other.
func (c *Connections) put(address string, conn *poolcounter.Conn) {
	c.mu.Lock()
	keep := !c.closed && len(c.idle[address]) < maxIdle && conn.Locks() == 0 && conn.Usable()
	if keep {
		c.idle[address] = append(c.idle[address], conn)
	}
	c.mu.Unlock()
	if !keep {
		_ = conn.Close()
	}
}

// Close closes the idle connections. Connections that are given back later are closed too.
func (c *Connections) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, idle := range c.idle {
		for _, conn := range idle {
			_ = conn.Close()
		}
	}
	clear(c.idle)
}

// Locks is the locks of one flight at a daemon, on as many connections as they need. It is for one
// goroutine at a time.
type Locks struct {
	connections *Connections
	address     string
	held        []*poolcounter.Conn // the oldest first
}

// Locks returns a flight's locks at the daemon with an address; it holds no lock yet.
func (c *Connections) Locks(address string) *Locks { return &Locks{connections: c, address: address} }

// Acquire asks for a lock with these limits, and waits for the answer until ctx ends. An error
// means that the daemon does not answer.
func (l *Locks) Acquire(ctx context.Context, forAnyone bool, key string, limits poolcounter.Limits) (poolcounter.Answer, error) {
	if n := len(l.held); n > 0 && l.held[n-1].Locks() < poolcounter.MaxLocks {
		return l.held[n-1].Acquire(ctx, forAnyone, key, limits)
	}
	for { // a restart of the daemon closes idle connections
		conn, fresh, err := l.connections.get(ctx, l.address)
		if err != nil {
			return "", err
		}
		answer, err := conn.Acquire(ctx, forAnyone, key, limits)
		if err == nil {
			l.held = append(l.held, conn)
			return answer, nil
		}
		_ = conn.Close()
		if fresh || ctx.Err() != nil {
			return "", err
		}
	}
}

// Release gives back all locks, the newest first. It closes a connection whose locks it cannot
// release, which frees the locks too. If done is true, the release of the oldest lock tells the
// clients that wait for that lock, for anyone, that its work is done. If done is false, Release
// closes the connection of the oldest lock instead, and the daemon gives the lock to one of those
// clients.
func (l *Locks) Release(done bool) {
	if !done && len(l.held) > 0 {
		_ = l.held[0].Close()
		l.held = l.held[1:]
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	for i := len(l.held) - 1; i >= 0; i-- {
		conn := l.held[i]
		var err error
		for err == nil && conn.Locks() > 0 {
			err = conn.Release(ctx)
		}
		if err != nil {
			_ = conn.Close()
			continue
		}
		l.connections.put(l.address, conn)
	}
	l.held = nil
}

// Seconds returns longest, or the time until ctx's deadline if that is shorter, in the protocol's
// whole seconds. It rounds up, since ctx ends the wait in time.
func Seconds(ctx context.Context, longest time.Duration) uint32 {
	if deadline, ok := ctx.Deadline(); ok {
		longest = min(longest, time.Until(deadline))
	}
	return uint32(max(0, (longest+time.Second-1)/time.Second)) //nolint:gosec // a deadline is below an hour
}
