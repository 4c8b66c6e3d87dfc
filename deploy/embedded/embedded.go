// Package embedded runs a NATS server with JetStream inside of the process, for
// a cluster on one machine, as thumbmill serve does.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/tempdir"
)

// Server is a NATS server in this process.
type Server struct {
	server *server.Server
	dir    *tempdir.Dir
}

// New starts a server. With listen "" it takes connections from this process
// alone; otherwise listen is host:port, port 0 for any free one.
func New(listen string, log *slog.Logger) (*Server, error) {
	dir, err := tempdir.New("", "thumbmill-nats") // of its own: two servers must not share one
	if err != nil {
		return nil, err
	}
	options := &server.Options{
		ServerName: "thumbmill", DontListen: true, NoSigs: true, NoSystemAccount: false,
		JetStream: true, StoreDir: dir.Path, JetStreamMaxMemory: 512 << 20, JetStreamMaxStore: 64 << 20,
	}
	if listen != "" {
		host, port, err := net.SplitHostPort(listen)
		if err != nil {
			return nil, fmt.Errorf("nats.listen: %w", err)
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			return nil, fmt.Errorf("nats.listen: %w", err)
		}
		if number == 0 {
			number = server.RANDOM_PORT
		}
		options.DontListen, options.Host, options.Port = false, host, number
	}
	ns, err := server.NewServer(options)
	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}
	ns.SetLoggerV2(logger{log}, false, false, false)
	go ns.Start()
	s := &Server{ns, dir}
	if !ns.ReadyForConnections(10 * time.Second) {
		return nil, errors.Join(errors.New("the embedded NATS server did not start; is the address of nats.listen in use?"),
			s.Stop(context.Background()))
	}
	return s, nil
}

// Option makes a client connect to this server without the network. Its writes need no deadline, which would cost a
// timer each: only this process could delay them.
func (s *Server) Option() nats.Option {
	return func(o *nats.Options) error {
		o.FlusherTimeout = 0
		return nats.InProcessServer(s.server)(o)
	}
}

// URL is where the server listens, or "" when it does not.
func (s *Server) URL() string {
	if addr := s.server.Addr(); addr != nil {
		return "nats://" + addr.String()
	}
	return ""
}

// Start does nothing: New started it, since others connect while they are made.
func (s *Server) Start(context.Context) error { return nil }

// Stop ends the server, after all who are connected.
func (s *Server) Stop(context.Context) error {
	s.server.Shutdown()
	s.server.WaitForShutdown()
	return s.dir.Remove()
}

// logger writes the messages of the NATS server to the log.
type logger struct{ log *slog.Logger }

func (l logger) Noticef(format string, v ...any) {
	l.log.Debug("report notice of NATS", "notice", fmt.Sprintf(format, v...))
}
func (l logger) Warnf(format string, v ...any) {
	l.log.Warn("report warning of NATS", "warning", fmt.Sprintf(format, v...))
}
func (l logger) Errorf(format string, v ...any) {
	l.log.Error("report error of NATS", "error", fmt.Sprintf(format, v...))
}
func (l logger) Fatalf(format string, v ...any) {
	l.log.Error("report error of NATS", "error", fmt.Sprintf(format, v...))
}
func (l logger) Debugf(string, ...any) {}
func (l logger) Tracef(string, ...any) {}
