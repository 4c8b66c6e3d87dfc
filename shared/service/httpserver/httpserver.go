// Package httpserver makes an HTTP server a part of a process.
//
// The edge's listener, the operators' listener and the socket for debugging are such.
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

// New makes a part of a listener and a server; one with a TLSConfig speaks TLS.
func New(listener net.Listener, server *http.Server, log *slog.Logger) *Server {
	return &Server{listener: listener, server: server, log: log}
}

// Addr is the address in use, also when port 0 was asked for.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Start serves.
func (s *Server) Start(context.Context) error {
	s.group.Go(func() {
		if err := s.serve(); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("HTTP ended", "error", err)
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

// Stop finishes the requests under way, and cuts off what is left when ctx ends.
func (s *Server) Stop(ctx context.Context) (err error) {
	s.stop.Do(func() {
		if err = s.server.Shutdown(ctx); err != nil {
			err = errors.Join(err, s.server.Close())
		}
		_ = s.listener.Close() // when it was never served
		s.group.Wait()
	})
	return err
}
