// Package edge is the role that speaks HTTP: it reads thumbnail URLs, serves
// what is stored, and has the rest rendered, as far as the throttles let it.
//
// DESIGN.md in this folder tells how it works and why so.
package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/bulk"
	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/edge/internal/directives"
	"github.com/thumbmill/thumbmill/edge/internal/dispatch"
	"github.com/thumbmill/thumbmill/edge/internal/failure"
	"github.com/thumbmill/thumbmill/edge/internal/fleet"
	"github.com/thumbmill/thumbmill/edge/internal/front"
	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/edge/internal/lanes"
	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/originals"
	"github.com/thumbmill/thumbmill/edge/internal/presence"
	"github.com/thumbmill/thumbmill/edge/internal/purge"
	"github.com/thumbmill/thumbmill/edge/internal/stored"
	"github.com/thumbmill/thumbmill/edge/internal/web"
	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
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

// Edge is one edge.
type Edge struct {
	name       string
	config     Config
	tracer     *tracing.Tracer
	conn       *nats.Conn
	fleet      *fleet.Fleet
	dispatcher *dispatch.Dispatcher
	directives *directives.Follower
	lanes      *lanes.Watcher
	requests   atomic.Pointer[web.Handler] // whose requests operators see; nil at first
	admitter   *admission.Admitter
	counters   failure.Counters
	failures   *failure.Memory
	breakers   []breaker
	heads      *originals.Heads
	grammar    *grammar.Reader
	stored     *stored.Finder
	presence   *presence.Presence
	obtainer   *obtain.Obtainer
	purger     *purge.Purger
	bulk       *bulk.Renderer
	uploads    *bulk.Uploads
	http       *httpserver.Server
	ballast    []byte
	stop       sync.Once
}

// ballast is memory that is never touched, and so is none: it lets this many more bytes of
// garbage gather before it is collected. The heap of an edge is small, and what a hit
// leaves behind would be collected fifty times a second.
const ballast = 64 << 20

// New connects to the queue and binds the listener.
func New(c Config) (*Edge, error) {
	e := &Edge{name: "edge-" + nuid.Next(), config: c, fleet: fleet.New(), ballast: make([]byte, ballast)}
	e.directives = directives.New(e.forgetFailures, c.Log)
	if err := e.build(); err != nil {
		return nil, errors.Join(err, e.Stop(context.Background()))
	}
	return e, nil
}

func (e *Edge) build() (err error) {
	c := e.config
	if e.tracer, err = tracing.New(c.Settings.Trace, "edge", e.name, c.Log); err != nil {
		return err
	}
	if err := e.connect(); err != nil {
		return err
	}
	stores := c.Stores.Guarded(c.Metrics, c.Log)
	if e.grammar, err = grammar.New(c.Settings); err != nil {
		return err
	}
	if e.heads, err = originals.New(stores.Originals); err != nil {
		return err
	}
	if err = e.remember(); err != nil {
		return err
	}
	e.breakers = append(storeBreakers(stores), e.dispatcher.Breaker())
	if m, ok := e.counters.(*failure.Memcached); ok {
		for _, b := range m.Breakers() {
			e.breakers = append(e.breakers, b)
		}
	}
	e.lanes = lanes.New(e.dispatcher.JetStream(), c.Log, c.Metrics)
	trust, err := certificate.Trust(c.Settings.Coordinator.CA)
	if err != nil {
		return fmt.Errorf("coordinator.ca: %w", err)
	}
	e.admitter = admission.New(admission.Config{
		Coordinators: c.Settings.Coordinator, TLS: trust, Name: e.name, Throttle: c.Settings.Throttle,
		LaneWorkers: e.fleet.LaneWorkers, Paused: e.directives.Paused, Directives: e.directives.Set(), Fleet: e.fleet.Heartbeats,
		Status: e.status(), Log: c.Log, Metrics: c.Metrics,
	})
	registerBreakers(c.Metrics, e.allBreakers())
	if err := e.find(stores); err != nil {
		return err
	}
	e.obtainer = obtain.New(obtain.Config{
		Settings: c.Settings, Thumbnails: stores.Thumbnails, Originals: stores.Originals, Heads: e.heads, Stored: e.stored,
		Failures: e.failures, Fleet: e.fleet,
		Admitter: e.admitter, Dispatcher: e.dispatcher, Lanes: e.lanes, Log: c.Log, Metrics: c.Metrics,
	})
	if err := e.serveOperators(stores); err != nil {
		return err
	}
	clients, err := clientaddr.New(c.Settings.Edge.TrustedProxies, c.Settings.Throttle.Exempt, e.directives)
	if err != nil {
		return fmt.Errorf("edge.trusted_proxies: %w", err)
	}
	handler := web.New(web.Config{
		Settings: c.Settings, Grammar: e.grammar, Obtainer: e.obtainer, Clients: clients, Tracer: e.tracer, Log: c.Log, Metrics: c.Metrics,
	})
	e.requests.Store(handler)
	e.http, err = front.New(c.Settings.Edge, clients, handler, c.Log, c.Metrics)
	return err
}

// find makes what finds stored thumbnails. presence is there before anybody asks it.
func (e *Edge) find(stores open.Stores) (err error) {
	c := e.config
	e.stored, err = stored.New(stored.Config{
		Edge: c.Settings.Edge, Thumbnails: stores.Thumbnails, Heads: e.heads, Metrics: c.Metrics,
		Local: c.Settings.Store.Thumbnails.Kind == "directory",
		Log:   c.Log, Hears: func() bool { return e.presence.Hears() },
	})
	return err
}

// serveOperators makes what purges and what renders in advance.
func (e *Edge) serveOperators(stores open.Stores) (err error) {
	c := e.config
	if e.presence, err = presence.New(e.name, e.conn, hearer{e.obtainer}, c.Log); err != nil {
		return err
	}
	e.purger = purge.New(purge.Config{
		Thumbnails: stores.Thumbnails, Grammar: e.grammar, Failures: e.failures, Conn: e.conn, Edges: e.presence, Renderers: e.fleet,
		CDN: c.Settings.Purge, Log: c.Log,
	})
	e.bulk = &bulk.Renderer{
		Grammar: e.grammar, Obtainer: e.obtainer, Deadline: c.Settings.Edge.Deadline,
		AtOnce: func() int { return e.fleet.LaneWorkers(renderjob.LaneBulk) },
	}
	if c.Settings.Upload.Subject == "" {
		return nil
	}
	renew := func(ctx context.Context, original string) bool {
		report := e.purger.Purge(ctx, original, func(purge.Report) {})
		return len(report.Missed) == 0
	}
	e.uploads, err = bulk.ListenForUploads(e.conn, c.Settings.Upload.Subject, c.Settings.Upload.Widths, e.bulk, renew, c.Log, c.Metrics)
	return err
}

// hearer forgets what the queue tells it to.
type hearer struct{ *obtain.Obtainer }

func (h hearer) Purge(p renderjob.Purge) {
	for _, original := range p.Originals {
		h.Forget(original)
	}
}

func (h hearer) Lost() { h.ForgetAll() }

func (e *Edge) connect() (err error) {
	c := e.config
	if e.conn, err = queue.Connect(c.Settings.NATS, "edge", e.name, c.Log, c.NATS...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), queue.StartWithin)
	defer cancel()
	if e.dispatcher, err = dispatch.New(ctx, e.name, e.conn, c.Settings.NATS.Replicas, c.Log); err != nil {
		return err
	}
	e.conn.SetReconnectHandler(func(*nats.Conn) {
		c.Log.Info("connected to NATS again")
		e.dispatcher.Reconnected()
	})
	return e.fleet.Listen(e.conn, e.steer)
}

// steer has a renderer drain, or take jobs again, as operators want it.
func (e *Edge) steer(h renderjob.Heartbeat) {
	left, resumed := e.directives.Drains(h.Renderer)
	drain := left.Milliseconds() // 0: it takes jobs again
	if drains := left > 0; drains == h.Ordered || !drains && !resumed {
		return
	}
	text, err := json.Marshal(renderjob.Control{DrainMS: &drain})
	if err == nil {
		err = e.conn.Publish(renderjob.ControlSubject(h.Renderer), text)
	}
	if err != nil {
		e.config.Log.Warn("a renderer could not be told what operators want", "renderer", h.Renderer, "error", err)
	}
}

// forgetFailures has an original tried again.
func (e *Edge) forgetFailures(ctx context.Context, original string) error {
	_, err := e.failures.Clear(ctx, original)
	return err
}

// remember makes the failure memory, of all edges or of this process.
func (e *Edge) remember() (err error) {
	s := e.config.Settings
	if len(s.Memcached.Servers) > 0 {
		m, err := failure.NewMemcached(s.Memcached, e.config.Log)
		if err != nil {
			return err
		}
		e.counters = m
	} else if e.counters, err = failure.NewLocal(); err != nil {
		return err
	}
	e.failures = failure.New(e.counters, s.Throttle.Failure)
	return nil
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
	return e.http.Start(ctx)
}

// Stop finishes the requests under way, then their flights, then the rest.
func (e *Edge) Stop(ctx context.Context) (err error) {
	e.stop.Do(func() {
		var all []error
		if e.http != nil {
			all = append(all, e.http.Stop(ctx))
		}
		if e.uploads != nil {
			e.uploads.Close()
		}
		if e.obtainer != nil {
			all = append(all, e.obtainer.Stop(ctx))
		}
		e.closeCaches()
		if e.admitter != nil {
			e.admitter.Close()
		}
		if e.lanes != nil {
			e.lanes.Close()
		}
		e.directives.Close()
		if e.counters != nil {
			all = append(all, e.counters.Close())
		}
		if e.conn != nil {
			e.conn.Close()
		}
		if e.tracer != nil {
			all = append(all, e.tracer.Stop(ctx))
		}
		err = errors.Join(all...)
	})
	return err
}

// closeCaches ends what remembers, when nobody asks any more.
func (e *Edge) closeCaches() {
	if e.purger != nil {
		e.purger.Close()
	}
	if e.presence != nil {
		e.presence.Close()
	}
	if e.stored != nil {
		e.stored.Close()
	}
	if e.heads != nil {
		e.heads.Close()
	}
	if e.grammar != nil {
		e.grammar.Close()
	}
}
