// Package presence lets edges know of each other, and each of itself whether it hears
// what the others say.
//
// An edge tells every second that it lives, over the queue, and hears it itself, on the
// subscription on which it hears of purges, in their order. What it remembers may be used
// only while it hears: a purge that it missed would otherwise be without effect. Who
// waits for a purge to reach all edges waits for those that were heard lately, and a
// little longer than it takes a deaf one to notice.
package presence

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

const (
	every = time.Second
	// vanishedFor is how long an edge is told of that is no longer heard and did not leave: it
	// may be cut off, and not dead.
	vanishedFor = 5 * time.Minute
)

// DeafAfter is how long an edge goes on without hearing itself.
const DeafAfter = 3 * every

// Handler does what an edge hears. It is called by one goroutine at a time, but for Lost.
type Handler interface {
	// Purge forgets originals.
	Purge(p renderjob.Purge)
	// Lost forgets everything: a purge may have been missed.
	Lost()
}

// Presence is of one edge.
type Presence struct {
	name    string
	conn    *nats.Conn
	handler Handler
	log     *slog.Logger
	heard   atomic.Int64 // when it heard itself last, since began; 0 = it is deaf
	began   time.Time
	cancel  context.CancelFunc
	group   sync.WaitGroup

	hearing sync.Mutex // held while it is decided whether the edge hears
	mu      sync.Mutex
	edges   map[string]time.Time
}

// New listens and begins to tell.
func New(name string, conn *nats.Conn, h Handler, log *slog.Logger) (*Presence, error) {
	p := &Presence{name: name, conn: conn, handler: h, log: log, began: time.Now(), edges: map[string]time.Time{}}
	p.watch()
	if _, err := queue.Subscribe(conn, renderjob.AllEdges, p.hear); err != nil {
		return nil, err
	}
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
		p.deafen()
		if broken != nil {
			broken(c, err)
		}
	})
	again := p.conn.ReconnectHandler()
	p.conn.SetReconnectHandler(func(c *nats.Conn) {
		p.deafen() // what comes now may be older than the break
		if again != nil {
			again(c)
		}
	})
	failed := p.conn.ErrorHandler()
	p.conn.SetErrorHandler(func(c *nats.Conn, s *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrSlowConsumer) {
			p.deafen()
		}
		if failed != nil {
			failed(c, s, err)
		}
	})
}

// deafen makes what is remembered void, until the edge hears itself again.
func (p *Presence) deafen() {
	p.hearing.Lock()
	defer p.hearing.Unlock()
	p.heard.Store(0)
	p.handler.Lost()
}

// Close says that this edge leaves. The connection is closed by its owner.
func (p *Presence) Close() {
	p.cancel()
	p.group.Wait()
	_ = p.conn.Publish(renderjob.EdgeSubject(p.name), []byte(renderjob.EdgeLeaves))
	_ = p.conn.FlushTimeout(time.Second)
}

// Hears reports whether this edge heard itself lately.
func (p *Presence) Hears() bool {
	heard := p.heard.Load()
	return heard > 0 && time.Since(p.began)-time.Duration(heard) < DeafAfter
}

// Edges are the names of those that live, this one included, and of those that were heard
// in the last minutes, are no longer, and did not leave. There is no use in waiting for
// the latter: they hear nothing from here.
func (p *Presence) Edges() (live, vanished []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, at := range p.edges {
		switch silent := time.Since(at); {
		case silent > vanishedFor:
			delete(p.edges, name)
		case silent > 2*DeafAfter:
			vanished = append(vanished, name)
		default:
			live = append(live, name)
		}
	}
	slices.Sort(live)
	slices.Sort(vanished)
	return live, vanished
}

// hear takes a beat, a farewell or a purge, none of which has headers: what JetStream answers
// has, or another subject, where somebody had its answer sent here.
func (p *Presence) hear(m *nats.Msg) {
	if len(m.Header) > 0 {
		return
	}
	if m.Subject == renderjob.PurgeSubject || m.Subject == renderjob.ForgetSubject {
		p.purge(m)
		return
	}
	name, ok := strings.CutPrefix(m.Subject, renderjob.EdgeSubject(""))
	leaves := string(m.Data) == renderjob.EdgeLeaves
	if !ok || !leaves && len(m.Data) > 0 {
		return
	}
	p.mu.Lock()
	if leaves {
		delete(p.edges, name)
	} else {
		p.edges[name] = time.Now()
	}
	p.mu.Unlock()
	if name == p.name {
		p.hearItself()
	}
}

func (p *Presence) hearItself() {
	p.hearing.Lock()
	defer p.hearing.Unlock()
	if !p.Hears() {
		p.handler.Lost() // what came in between may be one that was missed
	}
	p.heard.Store(int64(time.Since(p.began)))
}

// purge forgets what the message names; one that cannot be read may name anything. Of
// renderers, who may say anything there, such a one is not believed.
func (p *Presence) purge(m *nats.Msg) {
	var what renderjob.Purge
	switch err := json.Unmarshal(m.Data, &what); {
	case err != nil && m.Subject == renderjob.ForgetSubject:
		p.log.Warn("what a renderer has forgotten cannot be read", "error", err)
		return
	case err != nil || what.Version > renderjob.Version:
		p.log.Warn("a purge that cannot be read: everything is forgotten", "version", what.Version, "error", err)
		p.handler.Lost()
	default:
		p.handler.Purge(what)
	}
	if err := queue.Answer(m, p.name); err != nil {
		p.log.Warn("a purge was not answered", "error", err)
	}
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
