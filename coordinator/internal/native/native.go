// Package native serves the coordinator's own protocol (shared/lease) on the
// lock table: it makes sure who a client is, reads its frames, and writes the
// answers, as many at a time as there are.
package native

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/directives"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/lease"
)

const handshakeTimeout = 5 * time.Second

// Activity counts requests by client and by original.
type Activity interface{ Asked(key string) }

// Fleet takes heartbeats of renderers, as JSON.
type Fleet interface{ Note(heartbeats string) error }

// Directives are told to edges that understand them, and received from these.
type Directives interface {
	Join(directives.Edge)
	Leave(directives.Edge)
	Receive(directive string) error
}

// Config is what a server is made of. All but the secret is needed.
type Config struct {
	Table      *pools.Table
	Activity   Activity
	Fleet      Fleet
	Directives Directives
	Secret     string // an empty one lets everybody in who can connect
	Log        *slog.Logger
}

// Server serves connections.
type Server struct {
	config Config
}

// New makes a server.
func New(c Config) *Server { return &Server{config: c} }

// Serve talks to one client until it leaves, is silent for lease.Patience, or
// breaks the protocol. It calls ended before it returns.
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
	s.serveEdge(conn, name, bufio.NewReaderSize(in, lease.ReaderSize))
}

// serveEdge serves a client that has proved its name.
func (s *Server) serveEdge(conn net.Conn, name string, in *bufio.Reader) {
	c := &session{config: &s.config, conn: conn, name: name, out: lease.NewOutbox(conn)}
	var writer sync.WaitGroup
	writer.Go(c.out.Write)
	var earlier pools.Receiver
	c.owner, earlier = s.config.Table.Attach(name, c)
	if earlier != nil { // it may not know yet that its connection is lost
		_ = earlier.(*session).conn.Close()
	}
	s.config.Log.Info("an edge connected", "edge", name, "address", conn.RemoteAddr())
	err := c.followFrames(in)
	s.config.Log.Info("an edge disconnected", "edge", name, "reason", err)
	if c.joined {
		s.config.Directives.Leave(c)
	}
	c.owner.Detach()
	_ = conn.Close()
	c.out.End()
	writer.Wait()
}
