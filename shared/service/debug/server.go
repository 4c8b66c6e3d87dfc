// Package debug looks into a running process over a unix socket, which only its own user
// (and root) can open: nothing of it is reachable from another machine. It is both ends:
// the socket, and the command that asks it.
//
//	GET /debug/pprof/  profiles, goroutines
//	GET /jobs          what the process does now, as JSON
//	GET /log/level     and PUT, which changes it until the process ends
package debug

import (
	"context"
	"encoding/json"
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

	"github.com/thumbmill/thumbmill/shared/service/httpserver"
)

// Server is the process' end, a part.
type Server struct {
	server *httpserver.Server
	level  *slog.LevelVar
	jobs   func() any
	log    *slog.Logger
}

// New makes the socket, named for the role and the process, in Folder. jobs says what the
// process does.
func New(role string, level *slog.LevelVar, jobs func() any, log *slog.Logger) (*Server, error) {
	folder, err := Folder()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, socketName(role, os.Getpid()))
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that had this number before
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("the socket for debugging: %w", err)
	}
	s := &Server{level: level, jobs: jobs, log: log}
	s.server = httpserver.New(listener, &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}, log)
	return s, nil
}

// Start serves.
func (s *Server) Start(ctx context.Context) error { return s.server.Start(ctx) }

// Stop ends it; the socket goes with it. Profiles under way are cut off.
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
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.jobs()) // the client left
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
	s.log.Warn("the log's level was changed", "level", s.level.Level())
	_, _ = fmt.Fprintln(w, s.level.Level())
}

// levels are those of a log.
func levels() []string { return []string{"debug", "info", "warn", "error"} }
