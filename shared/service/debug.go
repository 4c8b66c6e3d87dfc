package service

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
	"syscall"
	"time"
)

// Debug looks into a running process over a unix socket, which only its own user (and
// root) can open: nothing of it is reachable from another machine.
//
//	GET /debug/pprof/  profiles, goroutines
//	GET /jobs          what the process does now, as JSON
//	GET /log/level     and PUT, which changes it until the process ends
type Debug struct {
	*HTTP
	Path  string
	level *slog.LevelVar
	jobs  func() any
	log   *slog.Logger
}

// NewDebug makes the socket, named for the role and the process, in SocketFolder. jobs
// tells what the process does. Where there can be no socket, as in a container whose root is
// read-only, it says so and gives nil.
func NewDebug(role string, level *slog.LevelVar, jobs func() any, log *slog.Logger) *Debug {
	d, err := newDebug(role, level, jobs, log)
	if err != nil {
		log.Warn("there is no socket for debugging", "reason", err)
		return nil
	}
	return d
}

func newDebug(role string, level *slog.LevelVar, jobs func() any, log *slog.Logger) (*Debug, error) {
	folder, err := SocketFolder()
	if err != nil {
		return nil, err
	}
	d := &Debug{Path: filepath.Join(folder, fmt.Sprintf("%s-%d.sock", role, os.Getpid())), level: level, jobs: jobs, log: log}
	if err := os.Remove(d.Path); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that had this number before
		return nil, err
	}
	listener, err := net.Listen("unix", d.Path)
	if err != nil {
		return nil, fmt.Errorf("the socket for debugging: %w", err)
	}
	d.HTTP = NewServer(listener, &http.Server{Handler: d.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}, log)
	return d, nil
}

// SocketFolder is where the sockets of this user's processes are: thumbmill in
// XDG_RUNTIME_DIR, or thumbmill-UID in the folder of temporary files. It is this user's
// alone.
func SocketFolder() (string, error) {
	folder := filepath.Join(os.TempDir(), fmt.Sprintf("thumbmill-%d", os.Getuid()))
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); runtime != "" {
		folder = filepath.Join(runtime, "thumbmill")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil { //nolint:gosec // the user's own environment names it
		return "", err
	}
	info, err := os.Lstat(folder) //nolint:gosec // as above
	if err != nil {
		return "", err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ok || int(owner.Uid) != os.Getuid() {
		return "", fmt.Errorf("%s is not this user's alone: the socket for debugging is not put there", folder)
	}
	return folder, nil
}

func (d *Debug) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /jobs", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(d.jobs()) // the client left
	})
	mux.HandleFunc("GET /log/level", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, d.level.Level()) })
	mux.HandleFunc("PUT /log/level", d.setLevel)
	return mux
}

func (d *Debug) setLevel(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(io.LimitReader(r.Body, 64))
	if err == nil {
		err = d.level.UnmarshalText([]byte(strings.TrimSpace(string(text))))
	}
	if err != nil {
		http.Error(w, "the level is to be debug, info, warn or error: "+err.Error(), http.StatusBadRequest)
		return
	}
	d.log.Warn("the log's level was changed", "level", d.level.Level())
	_, _ = fmt.Fprintln(w, d.level.Level())
}

// Stop ends it; the socket goes with it. Profiles under way are cut off.
func (d *Debug) Stop(context.Context) error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = d.HTTP.Stop(ended)
	return nil
}
