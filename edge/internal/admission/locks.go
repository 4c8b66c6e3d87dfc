package admission

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	dialTimeout = 900 * time.Millisecond // a failover takes less than a second, and a busy host is not a dead one
	maxIdle     = 256
)

// server is one coordinator with its idle connections.
type server struct {
	address string
	breaker *gobreaker.CircuitBreaker[*poolcounter.Conn]

	mu     sync.Mutex
	idle   []*poolcounter.Conn
	closed bool
}

func newServer(address string, log *slog.Logger) *server {
	return &server{address: address, breaker: gobreaker.NewCircuitBreaker[*poolcounter.Conn](gobreaker.Settings{
		Name: "coordinator " + address, Timeout: time.Second,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 3 },
		IsSuccessful: func(err error) bool { return err == nil || errors.Is(err, context.Canceled) },
		OnStateChange: func(name string, from, to gobreaker.State) {
			log.Warn("circuit breaker", "name", name, "from", from.String(), "to", to.String())
		},
	})}
}

// get gives an idle connection, or a new one.
func (s *server) get(ctx context.Context) (conn *poolcounter.Conn, fresh bool, err error) {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		conn, s.idle = s.idle[n-1], s.idle[:n-1]
	}
	s.mu.Unlock()
	if conn != nil {
		return conn, false, nil
	}
	conn, err = s.breaker.Execute(func() (*poolcounter.Conn, error) {
		dial, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		conn, err := poolcounter.Dial(dial, s.address)
		if err == nil && ctx.Err() != nil {
			_ = conn.Close()
		}
		return conn, errors.Join(ctx.Err(), err)
	})
	return conn, true, err
}

// put takes back a connection that holds nothing.
func (s *server) put(conn *poolcounter.Conn) {
	s.mu.Lock()
	keep := !s.closed && len(s.idle) < maxIdle && conn.Locks() == 0 && conn.Usable()
	if keep {
		s.idle = append(s.idle, conn)
	}
	s.mu.Unlock()
	if !keep {
		_ = conn.Close()
	}
}

func (s *server) close() {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.mu.Unlock()
	for _, conn := range idle {
		_ = conn.Close()
	}
}

// locks is what one flight holds at a coordinator, over as many connections as
// it takes. It is for one goroutine at a time.
type locks struct {
	server *server
	conns  []*poolcounter.Conn
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

func (l *locks) acquire(ctx context.Context, n need) (poolcounter.Answer, error) {
	return l.ask(ctx, false, poolcounter.Key(n.class, n.name), poolcounter.Limits{
		Workers: uint32(n.pool.Workers), MaxQueue: uint32(n.pool.MaxQueue), //nolint:gosec // bounded by settings
		Timeout: remainingSeconds(ctx, n.pool.Timeout),
	})
}

// remainingSeconds: the protocol has whole seconds; ctx cuts what is rounded up.
func remainingSeconds(ctx context.Context, most time.Duration) uint32 {
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(deadline))
	}
	return uint32(max(0, (most+time.Second-1)/time.Second)) //nolint:gosec // a deadline is below an hour
}

// ask uses the newest connection while it has room. A connection that was idle
// may have been closed by a restart of the coordinator: it is tried anew, once.
func (l *locks) ask(ctx context.Context, anyone bool, key string, limits poolcounter.Limits) (poolcounter.Answer, error) {
	if n := len(l.conns); n > 0 && l.conns[n-1].Locks() < poolcounter.MaxLocks {
		return l.conns[n-1].Acquire(ctx, anyone, key, limits)
	}
	for {
		conn, fresh, err := l.server.get(ctx)
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
		l.server.put(conn)
	}
	l.conns = nil
}

// Breakers are those of the coordinators.
func (a *Admitter) Breakers() (all []*gobreaker.CircuitBreaker[*poolcounter.Conn]) {
	for _, s := range a.servers {
		all = append(all, s.breaker)
	}
	return all
}
