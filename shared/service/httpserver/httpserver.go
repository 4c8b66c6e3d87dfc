// Package httpserver makes an HTTP server a part of a process: the edge's listener, the operators'
// listener and the socket for debugging.
package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// Server is a part that serves HTTP on one listener.
type Server struct {
	server   *http.Server
	listener net.Listener
	log      *slog.Logger
	group    sync.WaitGroup
	stop     sync.Once
}

// New makes a part from a listener and a server. A server with a TLSConfig uses TLS.
func New(listener net.Listener, server *http.Server, log *slog.Logger) *Server {
	return &Server{listener: listener, server: server, log: log}
}

// Addr returns the address in use, with the real port for port 0.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Start serves.
func (s *Server) Start(context.Context) error {
	s.group.Go(func() {
		if err := s.serve(); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("serve HTTP", "error", err)
		}
	})
	return nil
}

func (s *Server) serve() error {
	if s.server.TLSConfig != nil {
		return s.server.ServeTLS(s.listener, "", "")
	}
	return s.server.Serve(s.listener)
}

// Stop finishes the requests under way, and breaks off the remaining ones when ctx ends.
func (s *Server) Stop(ctx context.Context) (err error) {
	s.stop.Do(func() {
		if err = s.server.Shutdown(ctx); err != nil {
			err = errors.Join(err, s.server.Close())
		}
		_ = s.listener.Close() // for a server that never started
		s.group.Wait()
	})
	return err
}
