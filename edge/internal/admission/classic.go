package admission

import (
	"context"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// What the original daemon can do: the thumbnail's pool comes first, "for anyone",
// so that a flight holds nothing while it waits for another's render; then those
// of the client, the original, the expensive type and the lane, one after the
// other, within throttle.queue_wait together. A connection holds four locks, so
// that a lease of five takes two connections.

const (
	maxIdle        = 256
	releaseTimeout = 2 * time.Second
	// thumbnailQueue bounds the edges that wait for one thumbnail.
	thumbnailQueue = 10_000
)

// classic is the idle connections to daemons of PoolCounter's protocol.
type classic struct {
	mu     sync.Mutex
	idle   map[string][]*poolcounter.Conn // by address
	closed bool
}

func newClassic() *classic { return &classic{idle: map[string][]*poolcounter.Conn{}} }

// get gives an idle connection, or a new one.
func (s *classic) get(ctx context.Context, address string) (conn *poolcounter.Conn, fresh bool, err error) {
	s.mu.Lock()
	if idle := s.idle[address]; len(idle) > 0 {
		conn, s.idle[address] = idle[len(idle)-1], idle[:len(idle)-1]
	}
	s.mu.Unlock()
	if conn != nil {
		return conn, false, nil
	}
	conn, err = poolcounter.Dial(ctx, address)
	return conn, true, err
}

// put takes back a connection that holds nothing.
func (s *classic) put(address string, conn *poolcounter.Conn) {
	s.mu.Lock()
	keep := !s.closed && len(s.idle[address]) < maxIdle && conn.Locks() == 0 && conn.Usable()
	if keep {
		s.idle[address] = append(s.idle[address], conn)
	}
	s.mu.Unlock()
	if !keep {
		_ = conn.Close()
	}
}

func (s *classic) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, idle := range s.idle {
		for _, conn := range idle {
			_ = conn.Close()
		}
	}
	clear(s.idle)
}

// askClassic asks a daemon of PoolCounter's protocol. An error that is no fault
// means that it does not answer.
func (a *Admitter) askClassic(ctx context.Context, address string, r Request) (*Lease, bool, error) {
	held := &locks{classic: a.classic, address: address}
	done, err := held.thumbnail(ctx, r.Thumbnail)
	if err == nil && !done {
		err = a.acquireAll(ctx, held, a.needs(r))
	}
	if err != nil || done {
		held.release(done)
		return nil, done, err
	}
	return a.newLease(func(o Outcome) { held.release(o.Stored) }), false, nil
}

func (a *Admitter) acquireAll(ctx context.Context, held *locks, needs []need) error {
	within, cancel := context.WithTimeout(ctx, a.Throttle.QueueWait)
	defer cancel()
	for _, n := range needs {
		if n.pool.Shadow {
			continue // a daemon that does not know shadow mode would refuse
		}
		answer, waited, err := held.acquire(within, n)
		if err != nil && within.Err() != nil && ctx.Err() == nil {
			answer, err = poolcounter.Timeout, nil // queue_wait is over for all pools together
		}
		if err != nil {
			return err
		}
		if answer != poolcounter.Locked {
			a.decide(n.throttle, "refuse")
			return n.refuse(answer == poolcounter.QueueFull, a.Throttle.QueueWait)
		}
		if waited {
			a.decide(n.throttle, "wait")
		} else {
			a.decide(n.throttle, "admit")
		}
	}
	return nil
}

// locks is what one flight holds at a daemon, over as many connections as it
// takes. It is for one goroutine at a time.
type locks struct {
	classic *classic
	address string
	conns   []*poolcounter.Conn
}

// thumbnail acquires the thumbnail's pool for anyone, waiting as long as ctx
// lets it. done says that another's work is done.
func (l *locks) thumbnail(ctx context.Context, at thumbnail.Location) (done bool, err error) {
	limits := poolcounter.Limits{Workers: 1, MaxQueue: thumbnailQueue, Timeout: remainingSeconds(ctx, time.Hour)}
	answer, err := l.ask(ctx, true, poolcounter.Key(poolcounter.ClassThumbnail, at.String()), limits)
	if err != nil {
		return false, err
	}
	switch answer {
	case poolcounter.Locked:
		return false, nil
	case poolcounter.Done:
		return true, nil
	case poolcounter.QueueFull:
		return false, fault.New(fault.Unavailable, "%d edges wait for this thumbnail already", thumbnailQueue)
	}
	return false, fault.New(fault.Deadline, "another render of this thumbnail did not end in time")
}

// acquire acquires one pool, and tells whether that took a while.
func (l *locks) acquire(ctx context.Context, n need) (answer poolcounter.Answer, waited bool, err error) {
	began := time.Now()
	answer, err = l.ask(ctx, false, poolcounter.Key(n.class, n.name), poolcounter.Limits{
		Workers: uint32(n.pool.Workers), MaxQueue: uint32(n.pool.MaxQueue), //nolint:gosec // bounded by settings
		Timeout: remainingSeconds(ctx, n.pool.Timeout),
	})
	return answer, time.Since(began) > 50*time.Millisecond, err
}

// remainingSeconds: the protocol has whole seconds; ctx cuts what is rounded up.
func remainingSeconds(ctx context.Context, most time.Duration) uint32 {
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(deadline))
	}
	return uint32(max(0, (most+time.Second-1)/time.Second)) //nolint:gosec // a deadline is below an hour
}

// ask uses the newest connection while it has room. A connection that was idle
// may have been closed by a restart of the daemon: it is tried anew, once.
func (l *locks) ask(ctx context.Context, anyone bool, key string, limits poolcounter.Limits) (poolcounter.Answer, error) {
	if n := len(l.conns); n > 0 && l.conns[n-1].Locks() < poolcounter.MaxLocks {
		return l.conns[n-1].Acquire(ctx, anyone, key, limits)
	}
	for {
		conn, fresh, err := l.classic.get(ctx, l.address)
		if err != nil {
			return "", err
		}
		answer, err := conn.Acquire(ctx, anyone, key, limits)
		if err == nil {
			l.conns = append(l.conns, conn)
			return answer, nil
		}
		_ = conn.Close()
		if fresh || ctx.Err() != nil {
			return "", err
		}
	}
}

// release gives back the newest lock first. What cannot be released is closed,
// which frees its locks as well. A release of the thumbnail's lock, the oldest,
// tells those who wait for it elsewhere that it is done; when it is not, the
// connection is closed instead, and one of them is let in.
func (l *locks) release(done bool) {
	if !done && len(l.conns) > 0 {
		_ = l.conns[0].Close()
		l.conns = l.conns[1:]
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	for i := len(l.conns) - 1; i >= 0; i-- {
		conn := l.conns[i]
		var err error
		for err == nil && conn.Locks() > 0 {
			err = conn.Release(ctx)
		}
		if err != nil {
			_ = conn.Close()
			continue
		}
		l.classic.put(l.address, conn)
	}
	l.conns = nil
}
