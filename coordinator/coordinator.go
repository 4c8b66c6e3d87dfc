// Package coordinator is the role that decides who may render now: a semaphore
// for each client, original, expensive type, lane and thumbnail, asked for over
// PoolCounter's protocol or over its own.
//
// DESIGN.md in this folder tells how it works and why so, PROTOCOL.md the
// protocols byte by byte.
package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/classic"
	"github.com/thumbmill/thumbmill/coordinator/internal/directives"
	"github.com/thumbmill/thumbmill/coordinator/internal/fleet"
	"github.com/thumbmill/thumbmill/coordinator/internal/gate"
	"github.com/thumbmill/thumbmill/coordinator/internal/native"
	"github.com/thumbmill/thumbmill/coordinator/internal/page"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/coordinator/internal/report"
	"github.com/thumbmill/thumbmill/coordinator/internal/wanted"
	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Config is what a coordinator is made of.
type Config struct {
	Settings settings.Coordinator
	Log      *slog.Logger
	Metrics  prometheus.Registerer
}

// Coordinator serves its listeners. It keeps its state in memory alone. Locks of
// PoolCounter's clients end with their connections; edges bring their leases back
// after a restart.
type Coordinator struct {
	parts      service.Parts
	gate       *gate.Gate
	report     *report.Reporter
	directives *directives.Book
	serving    atomic.Bool
}

// New binds the listeners.
func New(c Config) (*Coordinator, error) {
	observer, renderers, estimator := newObserver(), fleet.New(), wanted.New()
	table := pools.New(observer)
	book := directives.New(table, renderers, c.Log)
	co := &Coordinator{directives: book, report: report.New(report.Config{
		Table: table, Activity: observer.activity, Fleet: renderers, Directives: book, Wanted: estimator,
	})}
	co.parts = service.Parts{service.Closer(book.Close)}
	commands, err := classic.New(table, observer.activity, func() int64 { return co.gate.Refused() })
	if err != nil {
		return nil, errors.Join(err, co.parts.Stop(context.Background()))
	}
	co.parts = append(co.parts, commands)
	frames := native.New(native.Config{
		Table: table, Activity: observer.activity, Fleet: renderers, Directives: book, Secret: string(c.Settings.Secret), Log: c.Log,
	})
	if co.gate, err = openGate(c, commands, frames); err != nil {
		return nil, errors.Join(err, co.parts.Stop(context.Background()))
	}
	co.parts = append(co.parts, wanted.NewSampler(estimator, table, renderers), co.gate, co.report)
	c.Metrics.MustRegister(observer.waits, tableMetrics{table, co.gate}, wantedMetric(estimator))
	return co, nil
}

// openGate binds the listeners of both protocols.
func openGate(c Config, commands, frames gate.Protocol) (*gate.Gate, error) {
	config := gate.Config{Listen: c.Settings.Listen, Classic: commands, Native: frames, Log: c.Log}
	for _, text := range c.Settings.Classic {
		network, err := settings.ParseNetwork(text)
		if err != nil {
			return nil, fmt.Errorf("coordinator.classic: %w", err)
		}
		config.Networks = append(config.Networks, network)
	}
	var err error
	if c.Settings.TLS.Certificate != "" {
		if config.TLS, err = certificate.Reloading(c.Settings.TLS, c.Log); err != nil {
			return nil, fmt.Errorf("coordinator.tls: %w", err)
		}
	}
	g, err := gate.New(config)
	if err != nil {
		return nil, fmt.Errorf("coordinator.listen: %w", err)
	}
	if c.Settings.Secret == "" && g.Exposed() {
		c.Log.Warn("coordinator.secret is not set, and other machines can connect: each of them can take every lease, and give directives as if it showed the token of admin.token_file", "listen", g.Addrs())
	}
	return g, nil
}

// Start serves.
func (c *Coordinator) Start(ctx context.Context) error {
	err := c.parts.Start(ctx)
	c.serving.Store(err == nil)
	return err
}

// Stop disconnects all clients, which frees their locks.
func (c *Coordinator) Stop(ctx context.Context) error {
	c.serving.Store(false)
	return c.parts.Stop(ctx)
}

// Ready says why the coordinator serves nobody; nil when it does.
func (c *Coordinator) Ready() error {
	if !c.serving.Load() {
		return errors.New("it has not started, or is stopping")
	}
	return nil
}

// Addr is the first address in use.
func (c *Coordinator) Addr() string { return c.Addrs()[0] }

// Addrs are all addresses in use, as coordinator.servers takes them.
func (c *Coordinator) Addrs() []string { return c.gate.Addrs() }

// API is what operators ask of a coordinator: their page, /api/v1/throttles and below,
// /api/v1/directives and below.
func (c *Coordinator) API() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(operators.Throttles, c.report.Handler())
	mux.Handle(operators.Throttles+"/", c.report.Handler())
	mux.Handle(operators.Directives, c.directives.Handler())
	mux.Handle(operators.Directives+"/", c.directives.Handler())
	for _, path := range page.Paths() {
		mux.Handle("GET "+path, page.Handler())
	}
	return mux
}

// APIPaths are where API is to be found.
func APIPaths() []string {
	return append(page.Paths(), operators.Throttles, operators.Throttles+"/", operators.Directives, operators.Directives+"/")
}

// Throttles is the report that API serves.
type Throttles = report.Throttles

// Busy is a client or an original of the report.
type Busy = activity.Busy
