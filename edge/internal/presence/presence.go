// Package presence lets edges know of each other, and each of itself whether it hears
// what the others say.
//
// An edge tells every second that it lives, over the queue, and hears it itself, on the
// subscription on which it hears of purges, in their order. What it remembers may be used
// only while it hears: a purge that it missed would otherwise be without effect. A purge
// that waits for all edges waits for those that were heard lately, and a little longer than
// it takes a deaf one to notice.
package presence

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

const every = time.Second

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
	ears    *ears
	edges   *edges
	heard   *nats.Subscription
	cancel  context.CancelFunc
	group   sync.WaitGroup
}

// New listens and begins to tell.
func New(name string, conn *nats.Conn, h Handler, log *slog.Logger) (*Presence, error) {
	p := newPresence(name, h, log)
	p.conn = conn
	p.watchConnection()
	var err error
	if p.heard, err = queue.Subscribe(conn, renderjob.AllEdges, p.receive); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.group.Go(func() { periodic.Do(ctx, every, p.sayAlive) })
	return p, nil
}

// newPresence makes one that is not connected.
func newPresence(name string, h Handler, log *slog.Logger) *Presence {
	return &Presence{name: name, handler: h, log: log, ears: newEars(h.Lost), edges: newEdges()}
}

// watchConnection makes the edge deaf at once when the connection breaks, or when messages
// that it was too slow for were dropped: it need not be for long to miss one.
func (p *Presence) watchConnection() {
	broken := p.conn.DisconnectErrHandler()
	p.conn.SetDisconnectErrHandler(func(c *nats.Conn, err error) {
		p.ears.deafen()
		if broken != nil {
			broken(c, err)
		}
	})
	again := p.conn.ReconnectHandler()
	p.conn.SetReconnectHandler(func(c *nats.Conn) {
		p.ears.deafen() // what comes now may be older than the break
		if again != nil {
			again(c)
		}
	})
	failed := p.conn.ErrorHandler()
	p.conn.SetErrorHandler(func(c *nats.Conn, s *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrSlowConsumer) {
			p.ears.deafen()
		}
		if failed != nil {
			failed(c, s, err)
		}
	})
}

// Close says that this edge leaves, and hears nothing more. The connection is closed by its
// owner.
func (p *Presence) Close() {
	p.cancel()
	p.group.Wait()
	_ = p.conn.Publish(renderjob.EdgeSubject(p.name), []byte(renderjob.EdgeLeaves))
	_ = p.conn.FlushTimeout(time.Second)
	_ = p.heard.Unsubscribe()
}

// Hears reports whether this edge heard itself lately.
func (p *Presence) Hears() bool { return p.ears.hear() }

// Edges are the names of those that live, this one included, and of those that were heard
// in the last minutes, are no longer, and did not leave. There is no use in waiting for
// the latter: they hear nothing from here.
func (p *Presence) Edges() (live, vanished []string) { return p.edges.list() }

// receive takes a beat, a farewell or a purge, none of which has headers: a message with
// headers is an answer of JetStream's, which somebody had sent here.
func (p *Presence) receive(m *nats.Msg) {
	if len(m.Header) > 0 {
		return
	}
	if m.Subject == renderjob.PurgeSubject || m.Subject == renderjob.ForgetSubject {
		p.forget(m)
		return
	}
	name, ok := strings.CutPrefix(m.Subject, renderjob.EdgeSubject(""))
	leaves := string(m.Data) == renderjob.EdgeLeaves
	if !ok || !leaves && len(m.Data) > 0 {
		return
	}
	p.edges.note(name, leaves)
	if name == p.name {
		p.ears.heardItself()
	}
}

// forget forgets what a message names; one that cannot be read may name anything. Renderers
// may publish to one subject alone, where such a message is not believed.
func (p *Presence) forget(m *nats.Msg) {
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

func (p *Presence) sayAlive(context.Context) {
	_ = p.conn.Publish(renderjob.EdgeSubject(p.name), nil) // an edge that does not hear it notices that
}
