// Package debug inspects a running process over a unix socket. Only the process's own user and root can
// open the socket: other machines cannot reach it. The package has both ends: the socket, and the
// command that uses it.
//
//	GET /debug/pprof/  profiles, goroutines
//	GET /jobs          the jobs of the process, as JSON
//	GET /log/level     the log's level; PUT changes it until the process ends
package debug

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/service/httpserver"
)

// Server is the process's end of the socket, a part.
type Server struct {
	server *httpserver.Server
	level  *slog.LevelVar
	jobs   func() any
	log    *slog.Logger
}

// New makes the socket in Folder, named after the role and the process. jobs returns the jobs of the
// process.
func New(role string, level *slog.LevelVar, jobs func() any, log *slog.Logger) (*Server, error) {
	folder, err := Folder()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, socketName(role, os.Getpid()))
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an ended process with the same number
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("make the socket for debugging: %w", err)
	}
	s := &Server{level: level, jobs: jobs, log: log}
	s.server = httpserver.New(listener, &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}, log)
	return s, nil
}

// Start serves.
func (s *Server) Start(ctx context.Context) error { return s.server.Start(ctx) }

// Stop removes the socket, and breaks off profiles under way.
func (s *Server) Stop(context.Context) error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.server.Stop(ended)
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /jobs", func(w http.ResponseWriter, _ *http.Request) {
		operators.Answer(w, s.jobs())
	})
	mux.HandleFunc("GET /log/level", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, s.level.Level()) })
	mux.HandleFunc("PUT /log/level", s.setLevel)
	return mux
}

func (s *Server) setLevel(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(io.LimitReader(r.Body, 64))
	if err == nil {
		err = s.level.UnmarshalText([]byte(strings.TrimSpace(string(text))))
	}
	if err != nil {
		http.Error(w, "a level is one of "+strings.Join(levels(), ", ")+": "+err.Error(), http.StatusBadRequest)
		return
	}
	s.log.Warn("change the log's level", "level", s.level.Level())
	_, _ = fmt.Fprintln(w, s.level.Level())
}

// levels returns the levels of a log.
func levels() []string { return []string{"debug", "info", "warn", "error"} }
