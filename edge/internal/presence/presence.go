// Package presence lets edges know of each other, and each of itself whether it hears
// what the others say.
//
// An edge tells every second that it lives, over the queue, and hears it itself. What it
// remembers may be served only while it hears: a purge that it missed would otherwise be
// without effect. Who waits for a purge to reach all edges waits for those that were
// heard lately, and no longer than it takes a deaf one to notice.
package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

const every = time.Second

// DeafAfter is how long an edge goes on without hearing itself.
const DeafAfter = 3 * every

// Presence is of one edge.
type Presence struct {
	name   string
	conn   *nats.Conn
	heard  atomic.Int64 // when it heard itself last, Unix nanoseconds
	back   func()       // it hears again after it was deaf
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu    sync.Mutex
	edges map[string]time.Time
}

// New listens and begins to tell. back is called before the edge counts as hearing again
// after it was deaf.
func New(name string, conn *nats.Conn, back func()) (*Presence, error) {
	p := &Presence{name: name, conn: conn, back: back, edges: map[string]time.Time{}}
	if _, err := conn.Subscribe(renderjob.AllEdges, p.note); err != nil {
		return nil, fmt.Errorf("presence: %w", err)
	}
	p.watch()
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.group.Go(func() { p.tell(ctx) })
	return p, nil
}

// watch makes the edge deaf at once when the connection breaks, or when messages that it
// was too slow for were dropped: it need not be for long to miss one.
func (p *Presence) watch() {
	broken := p.conn.DisconnectErrHandler()
	p.conn.SetDisconnectErrHandler(func(c *nats.Conn, err error) {
		p.heard.Store(0)
		if broken != nil {
			broken(c, err)
		}
	})
	again := p.conn.ReconnectHandler()
	p.conn.SetReconnectHandler(func(c *nats.Conn) {
		p.back() // what was said of this edge in between may be one that it said before
		if again != nil {
			again(c)
		}
	})
	failed := p.conn.ErrorHandler()
	p.conn.SetErrorHandler(func(c *nats.Conn, s *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrSlowConsumer) {
			p.heard.Store(0)
		}
		if failed != nil {
			failed(c, s, err)
		}
	})
}

// Close ends it. The connection is closed by its owner.
func (p *Presence) Close() {
	p.cancel()
	p.group.Wait()
}

// Hears reports whether this edge heard itself lately.
func (p *Presence) Hears() bool { return time.Now().UnixNano()-p.heard.Load() < int64(DeafAfter) }

// Edges are the names of those that were heard lately, this one included.
func (p *Presence) Edges() (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, at := range p.edges {
		if time.Since(at) > DeafAfter {
			delete(p.edges, name)
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (p *Presence) note(m *nats.Msg) {
	name := strings.TrimPrefix(m.Subject, renderjob.EdgeSubject(""))
	p.mu.Lock()
	p.edges[name] = time.Now()
	p.mu.Unlock()
	if name != p.name {
		return
	}
	if !p.Hears() {
		p.back()
	}
	p.heard.Store(time.Now().UnixNano())
}

func (p *Presence) tell(ctx context.Context) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		_ = p.conn.Publish(renderjob.EdgeSubject(p.name), nil) // who does not hear it, notices
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
