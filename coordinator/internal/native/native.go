// Package native serves the coordinator's own protocol (shared/lease) on the
// lock table: it makes sure who a client is, reads its frames, and writes the
// answers, as many at a time as there are.
package native

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nuid"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/lease"
)

const handshakeTimeout = 5 * time.Second

// Server serves connections.
type Server struct {
	table    *pools.Table
	activity *activity.Activity
	secret   string
	epoch    string // another after each start
	log      *slog.Logger

	mu       sync.Mutex
	sessions map[string]*session // by client's name
}

// New makes a server; an empty secret lets everybody in who can connect.
func New(table *pools.Table, a *activity.Activity, secret string, log *slog.Logger) *Server {
	return &Server{table: table, activity: a, secret: secret, epoch: nuid.Next(), log: log, sessions: map[string]*session{}}
}

// Statuses are what connected clients want operators to see, as JSON, by name.
func (s *Server) Statuses() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]string{}
	for name, c := range s.sessions {
		if c.status != "" {
			all[name] = c.status
		}
	}
	return all
}

// session is one connection.
type session struct {
	server *Server
	conn   net.Conn
	name   string
	owner  *pools.Owner
	status string // guarded by the server
	out    *lease.Outbox
}

// Serve talks to one client until it leaves, is silent for lease.Patience, or
// breaks the protocol.
func (s *Server) Serve(conn net.Conn, in *bufio.Reader, ended func()) {
	defer ended()
	_ = conn.SetDeadline(time.Now().Add(handshakeTimeout))
	name, err := lease.Admit(conn, in, s.epoch, s.secret)
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		s.log.Warn("a client was not let in", "address", conn.RemoteAddr(), "error", err)
		return
	}
	c := &session{server: s, conn: conn, name: name, out: lease.NewOutbox(conn)}
	var writer sync.WaitGroup
	writer.Go(c.out.Write)
	c.owner = s.table.Attach(name, c)
	s.enter(c)
	s.log.Info("an edge connected", "edge", name, "address", conn.RemoteAddr())

	err = c.read(bufio.NewReaderSize(in, lease.ReaderSize))

	s.log.Info("an edge disconnected", "edge", name, "reason", err)
	s.exit(c)
	c.owner.Detach(c)
	_ = conn.Close()
	c.out.End()
	writer.Wait()
}

// enter ends an earlier connection of the same client, which may not know yet
// that it is lost.
func (s *Server) enter(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if earlier := s.sessions[c.name]; earlier != nil {
		_ = earlier.conn.Close()
	}
	s.sessions[c.name] = c
}

func (s *Server) exit(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[c.name] == c {
		delete(s.sessions, c.name)
	}
}

func (c *session) read(in *bufio.Reader) error {
	var request lease.Request
	for {
		if in.Buffered() == 0 {
			_ = c.conn.SetReadDeadline(time.Now().Add(lease.Patience))
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
			c.server.activity.Asked(p.Key)
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
		c.server.table.Settle()
	case lease.KindRules:
		rules, err := lease.ParseRules(body)
		if err != nil {
			return err
		}
		c.owner.SetRules(rules)
	case lease.KindStatus:
		c.server.mu.Lock()
		c.status = body
		c.server.mu.Unlock()
	default:
		return fmt.Errorf("unknown frame %q", byte(kind))
	}
	return nil
}

// Receive puts an answer into the outbox.
func (c *session) Receive(a lease.Answer) {
	c.out.Add(func(out []byte) []byte { return lease.AppendAnswer(out, a) })
}

// Flush wakes the writer.
func (c *session) Flush() { c.out.Wake() }
