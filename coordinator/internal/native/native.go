// Package native serves the coordinator's own protocol (shared/lease) on the lock table. It checks a
// client's identity, reads its frames, and writes all pending answers at a time.
package native

import (
	"bufio"
	"context"
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

// Directives sends directives to edges that understand them, and receives directives from these edges.
type Directives interface {
	Join(directives.Edge)
	Leave(directives.Edge)
	Receive(directive string) error
}

// Config is the configuration of a server. Only the secret is optional.
type Config struct {
	Table      *pools.Table
	Activity   Activity
	Fleet      Fleet
	Directives Directives
	Secret     string // "" lets every client in that can connect
	Log        *slog.Logger
}

// Server serves connections. It is a service.Part, which beats while it runs.
type Server struct {
	config   Config
	endPulse context.CancelFunc // nil before Start
	pulse    sync.WaitGroup

	mu       sync.Mutex
	sessions map[*session]struct{}
}

// New makes a server.
func New(c Config) *Server { return &Server{config: c, sessions: map[*session]struct{}{}} }

// Serve serves one client until it leaves, is silent for lease.Patience, or breaks the protocol. It
// calls ended before it returns.
func (s *Server) Serve(conn net.Conn, in *bufio.Reader, ended func()) {
	defer ended()
	_ = conn.SetDeadline(time.Now().Add(handshakeTimeout))
	name, err := lease.Admit(conn, in, s.config.Secret)
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		if !errors.Is(err, io.EOF) { // after io.EOF the other side knows the reason
			s.config.Log.Warn("refuse a client", "address", conn.RemoteAddr(), "error", err)
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
	s.note(c)
	defer s.drop(c)
	var earlier pools.Receiver
	c.owner, earlier = s.config.Table.Attach(name, c)
	if earlier != nil { // the earlier connection may not have noticed its loss
		_ = earlier.(*session).conn.Close()
	}
	s.config.Log.Info("connect an edge", "edge", name, "address", conn.RemoteAddr())
	err := c.followFrames(in)
	s.config.Log.Info("disconnect an edge", "edge", name, "reason", err)
	if c.joined {
		s.config.Directives.Leave(c)
	}
	c.owner.Detach()
	_ = conn.Close()
	c.out.End()
	writer.Wait()
}
