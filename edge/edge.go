// Package edge is the role that speaks HTTP. An edge reads thumbnail URLs, serves stored
// thumbnails, and sends missing ones to renderers as far as the throttles allow.
//
// DESIGN.md in this folder explains how an edge works, and why.
package edge

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/backlog"
	"github.com/thumbmill/thumbmill/edge/internal/bulk"
	"github.com/thumbmill/thumbmill/edge/internal/directives"
	"github.com/thumbmill/thumbmill/edge/internal/dispatch"
	"github.com/thumbmill/thumbmill/edge/internal/failure"
	"github.com/thumbmill/thumbmill/edge/internal/fleet"
	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/originals"
	"github.com/thumbmill/thumbmill/edge/internal/presence"
	"github.com/thumbmill/thumbmill/edge/internal/purge"
	"github.com/thumbmill/thumbmill/edge/internal/stored"
	"github.com/thumbmill/thumbmill/edge/internal/trial"
	"github.com/thumbmill/thumbmill/edge/internal/web"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/service/httpserver"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// Config has the settings of an edge and the connections that it shares with its process.
type Config struct {
	Settings settings.Settings
	Stores   open.Stores
	NATS     []nats.Option // added to the options of Settings, for an embedded server
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	Uploads  trial.Uploads // of the page to try URLs; nil if renderers are other processes
}

// Edge is one edge. It is a service.Part.
type Edge struct {
	name       string
	config     Config
	parts      service.Parts // in starting order; they stop in the opposite order
	tracer     *tracing.Tracer
	conn       *nats.Conn
	fleet      *fleet.Fleet
	dispatcher *dispatch.Dispatcher
	directives *directives.Follower
	backlog    *backlog.Watcher
	requests   atomic.Pointer[web.Handler] // operators see its requests; nil until makeFront
	admitter   *admission.Admitter
	failures   *failure.Memory
	breakers   []breaker
	heads      *originals.Heads
	grammar    *grammar.Reader
	stored     *stored.Finder
	presence   *presence.Presence
	neighbours atomic.Pointer[presence.Presence] // presence, for reports that begin before makeObtainer; nil until then
	obtainer   *obtain.Obtainer
	purger     *purge.Purger
	byURL      *purge.Together
	bulk       *bulk.Renderer
	http       *httpserver.Server
}

// New connects to the queue and binds the listener.
func New(c Config) (*Edge, error) {
	e := &Edge{name: "edge-" + nuid.Next(), config: c, fleet: fleet.New(c.Settings.NATS.Site, c.Settings.NATS.Overflow)}
	if err := e.build(); err != nil {
		return nil, errors.Join(err, e.Stop(context.Background()))
	}
	return e, nil
}

// Name returns the edge's name on the queue.
func (e *Edge) Name() string { return e.name }

// Addr returns the address on which the edge listens.
func (e *Edge) Addr() string { return e.http.Addr() }

// OpenJobs returns the number of jobs that have not ended.
func (e *Edge) OpenJobs() int { return e.dispatcher.Open() }

// Ready returns an error that says why the edge cannot get missing thumbnails, or nil. An edge
// that is not ready still serves stored thumbnails.
func (e *Edge) Ready() error {
	if !e.conn.IsConnected() {
		return errors.New("the edge is not connected to NATS: check nats.url and the NATS server")
	}
	if e.fleet.GoneFor() > 0 {
		return errors.New("no renderer sends heartbeats: start one on this NATS server")
	}
	return nil
}

// Start starts the parts; the listener is the last of them.
func (e *Edge) Start(ctx context.Context) error {
	s := e.config.Settings.Edge
	if len(s.Keys()) == 0 && !s.AllowUnsafe {
		e.config.Log.Warn("edge.security_key is not set: the edge serves unsigned Thumbor URLs only to this machine, and refuses signed ones")
	}
	return e.parts.Start(ctx)
}

// Stop waits for the requests under way, then for their flights, and then stops the other parts.
func (e *Edge) Stop(ctx context.Context) error { return e.parts.Stop(ctx) }
