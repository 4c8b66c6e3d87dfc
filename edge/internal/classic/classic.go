// Package classic takes locks at a daemon that speaks PoolCounter's protocol alone, such as
// the original one.
//
// A connection holds at most four locks (poolcounter.MaxLocks), so that the locks of one
// flight may take two connections. Idle connections are kept.
package classic

import (
	"context"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

const (
	maxIdle        = 256
	releaseTimeout = 2 * time.Second
)

// Connections are those to daemons; the idle ones are kept.
type Connections struct {
	mu     sync.Mutex
	idle   map[string][]*poolcounter.Conn // by address
	closed bool
}

// New makes them; none is open yet.
func New() *Connections { return &Connections{idle: map[string][]*poolcounter.Conn{}} }

// get gives an idle connection, or a new one.
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

// put takes back a connection that holds nothing.
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

// Close closes the idle ones, and from now on those that are given back.
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

// Locks are what one flight holds at a daemon, over as many connections as it takes. They
// are for one goroutine at a time.
type Locks struct {
	connections *Connections
	address     string
	held        []*poolcounter.Conn // the oldest first
}

// Locks begins to take locks at the daemon of that address; none is held yet.
func (c *Connections) Locks(address string) *Locks { return &Locks{connections: c, address: address} }

// Acquire asks for a lock with these limits, and waits for the answer as long as ctx lets
// it. An error means that the daemon does not answer.
func (l *Locks) Acquire(ctx context.Context, forAnyone bool, key string, limits poolcounter.Limits) (poolcounter.Answer, error) {
	if n := len(l.held); n > 0 && l.held[n-1].Locks() < poolcounter.MaxLocks {
		return l.held[n-1].Acquire(ctx, forAnyone, key, limits)
	}
	for { // a connection that was idle may have been closed by a restart of the daemon
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

// Release gives back the newest lock first. What cannot be released is closed, which frees
// its locks as well. A release of the oldest lock tells those who wait for it, for anyone,
// that its work is done; when it is not, the connection is closed instead, and the daemon
// lets one of them in.
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

// Seconds is the longest wait in the protocol's whole seconds, within ctx: rounded up, since
// ctx cuts the rest.
func Seconds(ctx context.Context, longest time.Duration) uint32 {
	if deadline, ok := ctx.Deadline(); ok {
		longest = min(longest, time.Until(deadline))
	}
	return uint32(max(0, (longest+time.Second-1)/time.Second)) //nolint:gosec // a deadline is below an hour
}
