// Package edge is the role that speaks HTTP: it reads thumbnail URLs, serves
// what is stored, and has the rest rendered, as far as the throttles let it.
//
// DESIGN.md in this folder tells how it works and why so.
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
	"github.com/thumbmill/thumbmill/edge/internal/web"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/service/httpserver"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// Config is what an edge is made of.
type Config struct {
	Settings settings.Settings
	Stores   open.Stores
	NATS     []nats.Option // beside those of the settings: an embedded server
	Log      *slog.Logger
	Metrics  prometheus.Registerer
}

// Edge is one edge. It is a service.Part.
type Edge struct {
	name       string
	config     Config
	parts      service.Parts // in the order in which they start; they stop in the opposite one
	tracer     *tracing.Tracer
	conn       *nats.Conn
	fleet      *fleet.Fleet
	dispatcher *dispatch.Dispatcher
	directives *directives.Follower
	backlog    *backlog.Watcher
	requests   atomic.Pointer[web.Handler] // whose requests operators see; nil at first
	admitter   *admission.Admitter
	failures   *failure.Memory
	breakers   []breaker
	heads      *originals.Heads
	grammar    *grammar.Reader
	stored     *stored.Finder
	presence   *presence.Presence
	obtainer   *obtain.Obtainer
	purger     *purge.Purger
	byURL      *purge.Together
	bulk       *bulk.Renderer
	http       *httpserver.Server
	ballast    []byte
}

// ballast is the size in bytes of memory that nothing touches, so it occupies none. It lets this
// many more bytes of garbage gather before a collection: the heap of an edge is small, and hits
// would cause fifty collections a second. A larger ballast costs more than it saves, because
// memory that is touched for the first time costs a page fault, and stays.
const ballast = 16 << 20

// New connects to the queue and binds the listener.
func New(c Config) (*Edge, error) {
	e := &Edge{name: "edge-" + nuid.Next(), config: c, fleet: fleet.New(), ballast: make([]byte, ballast)}
	if err := e.build(); err != nil {
		return nil, errors.Join(err, e.Stop(context.Background()))
	}
	return e, nil
}

// Name is the edge's name on the queue.
func (e *Edge) Name() string { return e.name }

// Addr is the address in use.
func (e *Edge) Addr() string { return e.http.Addr() }

// OpenJobs is how many jobs wait for their end.
func (e *Edge) OpenJobs() int { return e.dispatcher.Open() }

// Ready says what keeps the edge from having thumbnails rendered, or nil. What
// is stored it serves all the same.
func (e *Edge) Ready() error {
	if !e.conn.IsConnected() {
		return errors.New("not connected to NATS")
	}
	if e.fleet.GoneFor() > 0 {
		return errors.New("no renderer was heard of")
	}
	return nil
}

// Start serves.
func (e *Edge) Start(ctx context.Context) error {
	s := e.config.Settings.Edge
	if s.SecurityKey == "" && !s.AllowUnsafe {
		e.config.Log.Warn("there is no edge.security_key: unsigned Thumbor URLs are served to this machine alone, and signed ones to nobody")
	}
	return e.parts.Start(ctx)
}

// Stop finishes the requests under way, then their flights, then the rest.
func (e *Edge) Stop(ctx context.Context) error { return e.parts.Stop(ctx) }
