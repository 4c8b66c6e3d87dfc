// Package coordinator is the role that decides which requests may render now. It has a semaphore for
// each client, original, expensive type, lane and thumbnail. Clients ask over PoolCounter's protocol or
// its own.
//
// DESIGN.md in this folder explains the design, and PROTOCOL.md both protocols byte by byte.
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
	"github.com/thumbmill/thumbmill/coordinator/internal/audit"
	"github.com/thumbmill/thumbmill/coordinator/internal/classic"
	"github.com/thumbmill/thumbmill/coordinator/internal/directives"
	"github.com/thumbmill/thumbmill/coordinator/internal/fleet"
	"github.com/thumbmill/thumbmill/coordinator/internal/gate"
	"github.com/thumbmill/thumbmill/coordinator/internal/native"
	"github.com/thumbmill/thumbmill/coordinator/internal/page"
	"github.com/thumbmill/thumbmill/coordinator/internal/past"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/coordinator/internal/report"
	"github.com/thumbmill/thumbmill/coordinator/internal/snapshot"
	"github.com/thumbmill/thumbmill/coordinator/internal/wanted"
	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/settings/check"
)

// Config is the configuration of a coordinator.
type Config struct {
	Settings   settings.Coordinator
	Prometheus settings.Prometheus
	Log        *slog.Logger
	Metrics    prometheus.Registerer
}

// Coordinator serves its listeners. It keeps its state only in memory. Locks of PoolCounter's clients
// end with their connections; edges bring their leases back after a restart.
type Coordinator struct {
	parts      service.Parts
	gate       *gate.Gate
	report     *report.Reporter
	directives *directives.Book
	serving    atomic.Bool
}

// New binds the listeners.
func New(c Config) (*Coordinator, error) {
	acts, err := audit.Open(c.Settings.AuditFile, c.Log)
	if err != nil {
		return nil, fmt.Errorf("coordinator.audit_file: %w", err)
	}
	observer, renderers, estimator := newObserver(), fleet.New(), wanted.New()
	table := pools.New(observer)
	book := directives.New(table, renderers, acts, c.Log)
	co := &Coordinator{directives: book, report: report.New(report.Config{
		Table: table, Activity: observer.activity, Fleet: renderers, Directives: book, Wanted: estimator, Demand: observer.demand,
		Requests: observer.requests, Past: pastOf(c.Prometheus), Log: c.Log,
	})}
	co.parts = service.Parts{service.Closer(acts.Close), service.Closer(book.Close)}
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
	co.parts = append(co.parts, wanted.NewSampler(estimator, table, observer.demand, renderers), frames, co.gate, co.report)
	c.Metrics.MustRegister(observer.waits, tableMetrics{table, co.gate})
	c.Metrics.MustRegister(wantedMetrics(estimator)...)
	return co, nil
}

// pastOf returns the server that remembers more than this process, or nil.
func pastOf(p settings.Prometheus) report.Past {
	if p.URL == "" {
		return nil
	}
	return past.New(p.URL)
}

// openGate binds the listeners of both protocols.
func openGate(c Config, commands, frames gate.Protocol) (*gate.Gate, error) {
	config := gate.Config{Listen: c.Settings.Listen, Classic: commands, Native: frames, Log: c.Log}
	for _, text := range c.Settings.Classic {
		network, err := check.ParseNetwork(text)
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
		c.Log.Warn("find coordinator.secret unset while other machines can connect: each of them can take every lease and give directives: set coordinator.secret, or listen on 127.0.0.1", "listen", g.Addrs())
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

// Ready returns the reason why the coordinator does not serve, or nil.
func (c *Coordinator) Ready() error {
	if !c.serving.Load() {
		return errors.New("the coordinator has not started, or is stopping")
	}
	return nil
}

// Addr returns the first address in use.
func (c *Coordinator) Addr() string { return c.Addrs()[0] }

// Addrs returns all addresses in use, in the form of coordinator.servers.
func (c *Coordinator) Addrs() []string { return c.gate.Addrs() }

// API serves operators: their page, /api/v1/throttles and below, /api/v1/directives and below.
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

// APIPaths are the paths that API serves.
func APIPaths() []string {
	return append(page.Paths(), operators.Throttles, operators.Throttles+"/", operators.Directives, operators.Directives+"/")
}

// Throttles is the report in API.
type Throttles = snapshot.Throttles

// Problem is a problem in the report.
type Problem = snapshot.Problem

// Action is an action against a problem of the report.
type Action = snapshot.Action

// Rule is the limits in force for one kind of pool.
type Rule = snapshot.Rule

// Busy is a client or an original in the report.
type Busy = activity.Busy
