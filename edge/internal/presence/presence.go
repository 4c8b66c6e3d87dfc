// Package presence tells an edge which other edges live, and whether the edge itself hears their
// messages.
//
// An edge announces itself every second over NATS, and hears its own announcement. Announcements
// and purges share one subscription and keep their order, so an edge that heard its own
// announcement has heard every earlier purge. An edge that hears nothing must not use its memory,
// because it may have missed a purge. A purge waits for all living edges, a little longer than a
// deaf edge needs to notice that it is deaf.
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

// DeafAfter is the time after which an edge that does not hear itself is deaf.
const DeafAfter = 3 * every

// Handler acts on the messages that an edge hears.
type Handler interface {
	// Purge forgets originals. Only one goroutine at a time calls it.
	Purge(p renderjob.Purge)
	// Lost forgets everything, because the edge may have missed a purge. Several goroutines may call
	// it at once.
	Lost()
}

// Presence is the presence of one edge.
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

// New subscribes to announcements and purges, and begins to announce this edge. The caller must close
// the presence.
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

// newPresence returns a presence without a connection.
func newPresence(name string, h Handler, log *slog.Logger) *Presence {
	return &Presence{name: name, handler: h, log: log, ears: newEars(h.Lost), edges: newEdges()}
}

// watchConnection makes the edge deaf at once when the connection breaks, or when NATS drops messages
// because the edge is too slow. Even a short break can lose a purge.
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
		p.ears.deafen() // an announcement that comes now may be older than the break
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

// Close says farewell and unsubscribes. It does not close the connection.
func (p *Presence) Close() {
	p.cancel()
	p.group.Wait()
	_ = p.conn.Publish(renderjob.EdgeSubject(p.name), []byte(renderjob.EdgeLeaves))
	_ = p.conn.FlushTimeout(time.Second)
	_ = p.heard.Unsubscribe()
}

// Hears reports whether this edge heard itself within DeafAfter.
func (p *Presence) Hears() bool { return p.ears.hear() }

// Edges returns the sorted names of the living edges, this one included, and of the edges that fell
// silent in the last five minutes without a farewell. A purge does not wait for the silent ones,
// because they hear nothing from this edge.
func (p *Presence) Edges() (live, vanished []string) { return p.edges.list() }

// receive handles an announcement, a farewell or a purge. None of them has headers. A message with
// headers is an answer of JetStream to a request with one of these subjects as its reply subject, and
// receive ignores it.
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

// forget forgets the originals of a message, and answers it. An unreadable purge may name any
// original, so forget then forgets everything. It ignores an unreadable message on the subject that
// renderers may publish to.
func (p *Presence) forget(m *nats.Msg) {
	var purge renderjob.Purge
	switch err := json.Unmarshal(m.Data, &purge); {
	case err != nil && m.Subject == renderjob.ForgetSubject:
		p.log.Warn("read message of a renderer that forgot originals", "error", err)
		return
	case err != nil || purge.Version > renderjob.Version:
		p.log.Warn("read purge; forget everything instead", "version", purge.Version, "error", err)
		p.handler.Lost()
	default:
		p.handler.Purge(purge)
	}
	if err := queue.Answer(m, p.name); err != nil {
		p.log.Warn("answer purge", "error", err)
	}
}

func (p *Presence) sayAlive(context.Context) {
	_ = p.conn.Publish(renderjob.EdgeSubject(p.name), nil) // after an error the edge does not hear itself
}
