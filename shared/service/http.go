package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// HTTP is a part that serves HTTP on one listener.
type HTTP struct {
	server   *http.Server
	listener net.Listener
	log      *slog.Logger
	group    sync.WaitGroup
	stop     sync.Once
}

// NewServer makes a part of a listener and a server; one with a TLSConfig speaks TLS.
func NewServer(listener net.Listener, server *http.Server, log *slog.Logger) *HTTP {
	return &HTTP{listener: listener, server: server, log: log}
}

// Addr is the address in use, also when port 0 was asked for.
func (h *HTTP) Addr() string { return h.listener.Addr().String() }

// Start serves.
func (h *HTTP) Start(context.Context) error {
	h.group.Go(func() {
		if err := h.serve(); !errors.Is(err, http.ErrServerClosed) {
			h.log.Error("HTTP ended", "error", err)
		}
	})
	return nil
}

func (h *HTTP) serve() error {
	if h.server.TLSConfig != nil {
		return h.server.ServeTLS(h.listener, "", "")
	}
	return h.server.Serve(h.listener)
}

// Stop finishes the requests under way, and cuts off what is left when ctx ends.
func (h *HTTP) Stop(ctx context.Context) (err error) {
	h.stop.Do(func() {
		if err = h.server.Shutdown(ctx); err != nil {
			err = errors.Join(err, h.server.Close())
		}
		_ = h.listener.Close() // when it was never served
		h.group.Wait()
	})
	return err
}

// Admin is the operators' listener. It listens beyond loopback only where the settings say
// it.
//
//	/metrics       Prometheus
//	/healthz       200 while the process lives; asks nobody
//	/readyz        200 when every role is ready, else 503 with the reasons
//	/api/v1/access whether the token that is shown lets one act
//
// Whatever else a role adds, everybody who can connect may read, and those may change who
// show the token.
type Admin struct {
	*HTTP
	Token    Token
	Registry *prometheus.Registry
	mux      *http.ServeMux
	scheme   string

	mu      sync.Mutex
	checks  map[string]func() error
	leaving bool
}

// NewAdmin binds the operators' listener.
func NewAdmin(s settings.Admin, log *slog.Logger) (*Admin, error) {
	token, err := OpenToken(s)
	if err != nil {
		return nil, err
	}
	if token.why != nil {
		log.Warn("there is no admin.token_file: operators can look, and not act", "reason", token.why)
	}
	mux := http.NewServeMux()
	a := &Admin{Token: token, Registry: prometheus.NewRegistry(), mux: mux, checks: map[string]func() error{}}
	a.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.Registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", a.ready)
	mux.HandleFunc("GET /api/v1/access", token.access)
	if err := a.bind(s, token.guard(mux), log); err != nil {
		return nil, err
	}
	return a, nil
}

// bind listens. Slow clients are bounded by the timeouts here; the handler bounds the rest.
func (a *Admin) bind(s settings.Admin, handler http.Handler, log *slog.Logger) (err error) {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	a.scheme = "http"
	if s.TLS.Certificate != "" {
		a.scheme = "https"
		if server.TLSConfig, err = certificate.Reloading(s.TLS, log); err != nil {
			return fmt.Errorf("admin.tls: %w", err)
		}
	}
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("admin.listen: %w", err)
	}
	a.HTTP = NewServer(listener, server, log)
	return nil
}

// URL is where operators find it.
func (a *Admin) URL() string { return a.scheme + "://" + a.Addr() }

// Handle adds a role's own paths: those below pattern, which ends in a slash, or
// that path alone. It is called before Start.
func (a *Admin) Handle(pattern string, h http.Handler) { a.mux.Handle(pattern, h) }

// Check adds a condition of readiness.
func (a *Admin) Check(name string, check func() error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checks[name] = check
}

// Leave makes readiness fail from now on: the process is stopping.
func (a *Admin) Leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leaving = true
}

func (a *Admin) ready(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var reasons []error
	if a.leaving {
		reasons = append(reasons, errors.New("stopping"))
	}
	for name, check := range a.checks {
		if err := check(); err != nil {
			reasons = append(reasons, fmt.Errorf("%s: %w", name, err))
		}
	}
	if err := errors.Join(reasons...); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}
