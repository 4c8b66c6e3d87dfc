// Package listener is the operators' listener of a process: metrics, health, readiness,
// and what its roles add. It listens beyond loopback only where the settings say so.
//
//	/metrics       Prometheus
//	/healthz       200 while the process lives; asks nobody
//	/readyz        200 when every role is ready, else 503 with the reasons
//	/api/v1/access whether the token that is shown lets one act
//
// Everybody who can connect may read what a role adds, and those may change it who show the
// token.
package listener

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/token"
	"github.com/thumbmill/thumbmill/shared/service/httpserver"
	"github.com/thumbmill/thumbmill/shared/service/readiness"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Listener is a part. It serves from Start on what it has then, and what is added later.
type Listener struct {
	server  *httpserver.Server
	mux     *http.ServeMux
	scheme  string
	token   token.Token
	metrics *prometheus.Registry
}

// New binds the listener. ready names the process' roles by the time that Start is called.
func New(s settings.Admin, ready *readiness.Checks, log *slog.Logger) (*Listener, error) {
	right, err := token.Open(s)
	if err != nil {
		return nil, err
	}
	if err := right.Missing(); err != nil {
		log.Warn("refuse changes by operators: no token", "reason", err)
	}
	l := &Listener{token: right, metrics: prometheus.NewRegistry(), mux: http.NewServeMux()}
	l.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	l.mux.Handle("GET "+operators.Metrics, promhttp.HandlerFor(l.metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	l.mux.HandleFunc("GET "+operators.Alive, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "alive") })
	l.mux.Handle("GET "+operators.Ready, ready)
	l.mux.HandleFunc("GET "+operators.Access, access(right))
	if err := l.bind(s, guarded(right, l.known(ready)), log); err != nil {
		return nil, err
	}
	return l, nil
}

// bind listens. Slow clients are bounded by the timeouts here; the handler bounds the rest.
func (l *Listener) bind(s settings.Admin, handler http.Handler, log *slog.Logger) (err error) {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	l.scheme = "http"
	if s.TLS.Certificate != "" {
		l.scheme = "https"
		if server.TLSConfig, err = certificate.Reloading(s.TLS, log); err != nil {
			return fmt.Errorf("admin.tls: %w", err)
		}
	}
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("admin.listen: %w", err)
	}
	l.server = httpserver.New(listener, server, log)
	return nil
}

// known answers that a path that nobody serves yet may be that of a role that has not
// started.
func (l *Listener) known(ready *readiness.Checks) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := l.mux.Handler(r); pattern == "" && ready.Starting() {
			ready.ServeHTTP(w, r)
			return
		}
		l.mux.ServeHTTP(w, r)
	})
}

// URL is where operators find it.
func (l *Listener) URL() string { return l.scheme + "://" + l.Addr() }

// Addr is the address in use, also when port 0 was asked for.
func (l *Listener) Addr() string { return l.server.Addr() }

// TokenFile is the path of the file with the token, or "" where there is none.
func (l *Listener) TokenFile() string { return l.token.Path }

// Metrics is what /metrics shows.
func (l *Listener) Metrics() prometheus.Registerer { return l.metrics }

// Handle adds a role's own paths: those below pattern, which ends in a slash, or
// that path alone.
func (l *Listener) Handle(pattern string, h http.Handler) { l.mux.Handle(pattern, h) }

// Start serves.
func (l *Listener) Start(ctx context.Context) error { return l.server.Start(ctx) }

// Stop finishes the requests under way, and cuts off what is left when ctx ends.
func (l *Listener) Stop(ctx context.Context) error { return l.server.Stop(ctx) }
