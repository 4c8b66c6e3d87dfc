// Package listener is the operators' listener of a process. It serves metrics, health, readiness and
// the paths of the process's roles, on loopback unless the settings name another address.
//
//	/metrics       Prometheus
//	/healthz       200 while the process lives; asks no other process
//	/readyz        200 when every role is ready, else 503 with the reasons
//	/api/v1/access whether the request's token allows changes
//
// Every client that can connect may read. Changes need the token.
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
	"golang.org/x/net/netutil"

	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/token"
	"github.com/thumbmill/thumbmill/shared/service/httpserver"
	"github.com/thumbmill/thumbmill/shared/service/readiness"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// maxConnections bounds the connections at one time: a thousand viewers of the page, and as many programs. Further
// connections wait for one that ends; idle ones end after 75 seconds.
const maxConnections = 2048

// Listener is a part. From Start on, it serves all paths, later additions included.
type Listener struct {
	server  *httpserver.Server
	mux     *http.ServeMux
	scheme  string
	token   token.Token
	metrics *prometheus.Registry
}

// New binds the listener. By Start, ready must name the process's roles.
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

// bind listens. The timeouts bound slow clients; the handler bounds everything else.
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
	l.server = httpserver.New(netutil.LimitListener(listener, maxConnections), server, log)
	return nil
}

// known answers with the readiness for an unknown path while a role is starting: the path may belong to
// that role.
func (l *Listener) known(ready *readiness.Checks) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := l.mux.Handler(r); pattern == "" && ready.Starting() {
			ready.ServeHTTP(w, r)
			return
		}
		l.mux.ServeHTTP(w, r)
	})
}

// URL returns the address of the listener for operators.
func (l *Listener) URL() string { return l.scheme + "://" + l.Addr() }

// Addr returns the address in use, with the real port for port 0.
func (l *Listener) Addr() string { return l.server.Addr() }

// TokenFile returns the path of the file with the token, or "" without a token.
func (l *Listener) TokenFile() string { return l.token.Path }

// Metrics returns the registry behind /metrics.
func (l *Listener) Metrics() prometheus.Registerer { return l.metrics }

// Handle adds a role's own paths: all below a pattern that ends in a slash, or one path.
func (l *Listener) Handle(pattern string, h http.Handler) { l.mux.Handle(pattern, h) }

// Start serves.
func (l *Listener) Start(ctx context.Context) error { return l.server.Start(ctx) }

// Stop finishes the requests under way, and breaks off the remaining ones when ctx ends.
func (l *Listener) Stop(ctx context.Context) error { return l.server.Stop(ctx) }
