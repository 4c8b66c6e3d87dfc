// Package native serves the coordinator's own protocol (shared/lease) on the
// lock table: it makes sure who a client is, reads its frames, and writes the
// answers, as many at a time as there are.
package native

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/directives"
	"github.com/thumbmill/thumbmill/coordinator/internal/fleet"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/lease"
)

const handshakeTimeout = 5 * time.Second

// Server serves connections.
type Server struct {
	config Config
}

// Config is what a server is made of.
type Config struct {
	Table      *pools.Table
	Activity   *activity.Activity
	Fleet      *fleet.Fleet
	Directives *directives.Book
	Secret     string // an empty one lets everybody in who can connect
	Log        *slog.Logger
}

// New makes a server.
func New(c Config) *Server { return &Server{config: c} }

// session is one connection.
type session struct {
	server *Server
	conn   net.Conn
	name   string
	owner  *pools.Owner
	out    *lease.Outbox
	joined bool // the other side understands directives
}

// Serve talks to one client until it leaves, is silent for lease.Patience, or
// breaks the protocol.
func (s *Server) Serve(conn net.Conn, in *bufio.Reader, ended func()) {
	defer ended()
	_ = conn.SetDeadline(time.Now().Add(handshakeTimeout))
	name, err := lease.Admit(conn, in, s.config.Secret)
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		if !errors.Is(err, io.EOF) { // else it left: the other side says why
			s.config.Log.Warn("a client was not let in", "address", conn.RemoteAddr(), "error", err)
		}
		return
	}
	c := &session{server: s, conn: conn, name: name, out: lease.NewOutbox(conn)}
	var writer sync.WaitGroup
	writer.Go(c.out.Write)
	var earlier pools.Receiver
	c.owner, earlier = s.config.Table.Attach(name, c)
	if earlier != nil { // it may not know yet that its connection is lost
		_ = earlier.(*session).conn.Close()
	}
	s.config.Log.Info("an edge connected", "edge", name, "address", conn.RemoteAddr())

	err = c.read(bufio.NewReaderSize(in, lease.ReaderSize))

	s.config.Log.Info("an edge disconnected", "edge", name, "reason", err)
	if c.joined {
		s.config.Directives.Leave(c)
	}
	c.owner.Detach()
	_ = conn.Close()
	c.out.End()
	writer.Wait()
}

func (c *session) read(in *bufio.Reader) error {
	var request lease.Request
	var renewed time.Time
	for {
		if now := time.Now(); now.Sub(renewed) > lease.Beat { // not with each frame: it costs as much as one
			renewed = now
			_ = c.conn.SetReadDeadline(now.Add(lease.Patience + lease.Beat))
		}
		kind, body, err := lease.ReadFrame(in)
		if err == nil {
			err = c.take(kind, body, &request)
		}
		if err != nil {
			return err
		}
	}
}

// take follows one frame.
func (c *session) take(kind lease.Kind, body string, request *lease.Request) error {
	switch kind {
	case lease.KindAcquire, lease.KindClaim:
		if err := lease.ParseRequest(body, request); err != nil {
			return err
		}
		if kind == lease.KindClaim {
			c.owner.Claim(*request)
			return nil
		}
		for _, p := range request.Pools {
			c.server.config.Activity.Asked(p.Key)
		}
		c.owner.Acquire(*request)
	case lease.KindRelease:
		id, outcome, payload, err := lease.ParseRelease(body)
		if err != nil {
			return err
		}
		c.owner.Release(id, outcome, payload)
	case lease.KindBeat:
		c.out.Add(lease.AppendBeat)
		c.Flush()
	case lease.KindMoved:
		c.server.config.Log.Info("an edge asks here from now on, and brings its leases", "edge", c.name)
		c.owner.Settle()
	case lease.KindRules:
		rules, err := lease.ParseRules(body)
		if err != nil {
			return err
		}
		c.owner.SetRules(rules)
	case lease.KindStatus:
		c.owner.SetStatus(body)
		c.greet(body)
	case lease.KindDirective:
		if !c.joined {
			return errors.New("a directive before it was asked for")
		}
		if err := c.server.config.Directives.Receive(body); err != nil {
			c.server.config.Log.Warn("a directive of an edge is not followed", "edge", c.name, "error", err)
		}
	case lease.KindFleet:
		return c.server.config.Fleet.Note(body)
	default:
		return fmt.Errorf("unknown frame %q", byte(kind))
	}
	return nil
}

// greet lets who understands directives hear them.
func (c *session) greet(status string) {
	var says struct {
		Directives bool `json:"directives"`
	}
	if c.joined || json.Unmarshal([]byte(status), &says) != nil || !says.Directives {
		return
	}
	c.joined = true
	c.server.config.Directives.Join(c)
}

// Hear sends a directive.
func (c *session) Hear(directive string) {
	c.out.Add(func(out []byte) []byte { return lease.AppendDirective(out, directive) })
	c.Flush()
}

// Receive puts an answer into the outbox.
func (c *session) Receive(a lease.Answer) {
	c.out.Add(func(out []byte) []byte { return lease.AppendAnswer(out, a) })
}

// Flush wakes the writer.
func (c *session) Flush() { c.out.Wake() }
