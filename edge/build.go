package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/backlog"
	"github.com/thumbmill/thumbmill/edge/internal/bulk"
	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/edge/internal/directives"
	"github.com/thumbmill/thumbmill/edge/internal/dispatch"
	"github.com/thumbmill/thumbmill/edge/internal/failure"
	"github.com/thumbmill/thumbmill/edge/internal/front"
	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/originals"
	"github.com/thumbmill/thumbmill/edge/internal/places"
	"github.com/thumbmill/thumbmill/edge/internal/presence"
	"github.com/thumbmill/thumbmill/edge/internal/purge"
	"github.com/thumbmill/thumbmill/edge/internal/refusals"
	"github.com/thumbmill/thumbmill/edge/internal/stored"
	"github.com/thumbmill/thumbmill/edge/internal/web"
	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// build makes the parts in order. Each part comes after the parts that it uses. Parts stop in the
// opposite order, so no part outlives one that it uses.
func (e *Edge) build() error {
	stores := e.config.Stores.Guarded(e.config.Metrics, e.config.Log)
	for _, step := range []func(open.Stores) error{
		e.makeTracer, e.tendHeap, e.makeMemory, e.connect, e.makeThrottles, e.makeCaches, e.makeObtainer, e.makeUploads, e.makeFront,
	} {
		if err := step(stores); err != nil {
			return err
		}
	}
	return nil
}

// add appends a part; Start starts it and Stop stops it.
func (e *Edge) add(p service.Part) { e.parts = append(e.parts, p) }

func (e *Edge) makeTracer(open.Stores) (err error) {
	if e.tracer, err = tracing.New(e.config.Settings.Trace, "edge", e.name, e.config.Log); err != nil {
		return err
	}
	e.add(service.Stopper(e.tracer.Stop))
	return nil
}

// makeMemory makes the failure memory, and the follower of directives, which clears failures. All
// edges share the memory in memcached; without memcached this process has its own.
func (e *Edge) makeMemory(stores open.Stores) error {
	counters, breakers, err := e.counters()
	if err != nil {
		return err
	}
	e.breakers = append(storeBreakers(stores), breakers...)
	e.failures = failure.New(counters, e.config.Settings.Throttle.Failure)
	e.directives = directives.New(e.forgetFailures, e.config.Log)
	e.add(service.Closer(counters.Close))
	e.add(service.Deferred(e.directives.Close))
	return nil
}

// counters returns the counters of the failure memory, and the breakers of its memcached servers.
func (e *Edge) counters() (failure.Counters, []breaker, error) {
	s := e.config.Settings.Memcached
	if len(s.Servers) == 0 {
		local, err := failure.NewLocal()
		return local, nil, err
	}
	m, err := failure.NewMemcached(s, e.config.Log)
	if err != nil {
		return nil, nil, err
	}
	var breakers []breaker
	for _, b := range m.Breakers() {
		breakers = append(breakers, b)
	}
	return m, breakers, nil
}

// forgetFailures clears an original's failures, so that renderers try the original again.
func (e *Edge) forgetFailures(ctx context.Context, original string) error {
	_, err := e.failures.Clear(ctx, original)
	return err
}

// connect joins the queue.
func (e *Edge) connect(open.Stores) (err error) {
	c := e.config
	if e.conn, err = queue.Connect(c.Settings.NATS, "edge", e.name, c.Log, c.NATS...); err != nil {
		return err
	}
	e.add(service.Deferred(e.conn.Close))
	ctx, cancel := context.WithTimeout(context.Background(), queue.StartWithin)
	defer cancel()
	if e.dispatcher, err = dispatch.New(ctx, e.name, e.conn, c.Settings.NATS, e.fleet, c.Log); err != nil {
		return err
	}
	e.breakers = append(e.breakers, e.dispatcher.Breaker())
	e.conn.SetReconnectHandler(func(*nats.Conn) {
		c.Log.Info("reconnect to NATS")
		e.dispatcher.Reconnected()
	})
	e.tendJobs()
	return e.fleet.Listen(e.conn, e.steer)
}

// tendHeap adds and drops the ballast as collections of garbage come and go.
func (e *Edge) tendHeap(open.Stores) error {
	ctx, cancel := context.WithCancel(context.Background())
	var loop sync.WaitGroup
	b := ballast{before: collections()}
	loop.Go(func() {
		periodic.Do(ctx, time.Second, func(context.Context) { b.weigh(collections()) })
	})
	e.add(service.Deferred(func() { cancel(); loop.Wait() }))
	return nil
}

// tendJobs looks every second for jobs whose renderers are gone.
func (e *Edge) tendJobs() {
	ctx, cancel := context.WithCancel(context.Background())
	var loop sync.WaitGroup
	loop.Go(func() {
		periodic.Do(ctx, renderjob.HeartbeatEvery, e.dispatcher.Tend)
	})
	e.add(service.Deferred(func() { cancel(); loop.Wait() }))
}

// steer tells a renderer to drain, or to take jobs again, when its heartbeat differs from the
// operators' directive. With describe, the renderer must also describe itself.
func (e *Edge) steer(h renderjob.Heartbeat, describe bool) {
	control := renderjob.Control{Describe: describe, DrainMS: e.drainOf(h)}
	if control == (renderjob.Control{}) {
		return
	}
	text, err := json.Marshal(control)
	if err == nil {
		err = e.conn.Publish(renderjob.ControlSubject(h.Renderer), text)
	}
	if err != nil {
		e.config.Log.Warn("send a control message to a renderer", "renderer", h.Renderer, "error", err)
	}
}

// drainOf returns the milliseconds for which a renderer must drain from now on; 0 means that it takes jobs again, and
// nil that it already follows the directives.
func (e *Edge) drainOf(h renderjob.Heartbeat) *int64 {
	left, resumed := e.directives.Drains(h.Renderer)
	if drains := left > 0; drains == h.Directed || !drains && !resumed {
		return nil
	}
	ms := left.Milliseconds()
	return &ms
}

// makeThrottles makes the admitter, which asks the coordinators for the places of a flight.
func (e *Edge) makeThrottles(open.Stores) error {
	c := e.config
	e.backlog = backlog.New(e.dispatcher.JetStream(), c.Log, c.Metrics)
	e.add(service.Deferred(e.backlog.Close))
	trust, err := certificate.Trust(c.Settings.Coordinator.CA)
	if err != nil {
		return fmt.Errorf("coordinator.ca: %w", err)
	}
	e.admitter = admission.New(admission.Config{
		Coordinators: c.Settings.Coordinator, TLS: trust, Name: e.name, Throttle: c.Settings.Throttle, Throttles: throttle.All(),
		SlowWait: c.Settings.Deadline().Behind(), LaneWorkers: e.fleet.LaneWorkers, Paused: e.directives.Paused, Networks: e.networks, Directives: e.directives.Set(), Fleet: e.reported,
		Status: e.status(), Log: c.Log, Metrics: c.Metrics,
	})
	e.add(service.Deferred(e.admitter.Close))
	registerBreakers(c.Metrics, e.allBreakers())
	return nil
}

// reported returns the renderers that this edge reports to the coordinators: all, until presence knows the other edges.
func (e *Edge) reported() []renderjob.Heartbeat {
	var edges []string
	if p := e.neighbours.Load(); p != nil && e.config.Settings.NATS.Site == "" { // presence knows edges of other sites too, which report none of these
		edges, _ = p.Edges()
	}
	return e.fleet.Share(e.name, edges)
}

// makeCaches makes the parts that remember: parsed URLs, heads of originals, and stored thumbnails.
// stored asks e.presence, which makeObtainer sets before the first request.
func (e *Edge) makeCaches(stores open.Stores) (err error) {
	c := e.config
	if e.grammar, err = grammar.New(c.Settings); err != nil {
		return err
	}
	e.add(service.Deferred(e.grammar.Close))
	if e.heads, err = originals.New(stores.Originals); err != nil {
		return err
	}
	e.add(service.Deferred(e.heads.Close))
	e.stored, err = stored.New(stored.Config{
		Edge: c.Settings.Edge, Thumbnails: stores.Thumbnails, Heads: e.heads, Metrics: c.Metrics,
		Local: c.Settings.Store.Thumbnails.Kind == "directory",
		Scrub: stores.Scrub, ScrubEvery: c.Settings.Store.Thumbnails.Scrub,
		Log: c.Log, Hears: func() bool { return e.presence.Hears() },
	})
	if err != nil {
		return err
	}
	e.add(service.Deferred(e.stored.Close))
	return nil
}

// makeObtainer makes the obtainer, presence and the purger. The obtainer is made first, because
// presence tells it which originals to forget. The obtainer also stops first, so that its flights
// hear of purges until they end.
func (e *Edge) makeObtainer(stores open.Stores) (err error) {
	c := e.config
	e.obtainer = obtain.New(obtain.Config{
		Settings: c.Settings, Thumbnails: stores.Thumbnails, Originals: stores.Originals, Heads: e.heads, Stored: e.stored,
		Failures: e.failures, Fleet: e.fleet, Throttles: e.admitter, Places: e.newPlaces(), Log: c.Log, Metrics: c.Metrics,
	})
	if e.presence, err = presence.New(e.name, e.conn, hearer{e.obtainer}, c.Log); err != nil {
		return err
	}
	e.neighbours.Store(e.presence)
	e.add(service.Deferred(e.presence.Close))
	e.purger = purge.New(purge.Config{
		Thumbnails: stores.Thumbnails, Originals: stores.Originals, Grammar: e.grammar, Failures: e.failures, Conn: e.conn, Edges: e.presence, Renderers: e.fleet,
		CDN: c.Settings.Purge, Log: c.Log,
	})
	e.add(service.Deferred(e.purger.Close))
	e.byURL = purge.NewTogether(func(ctx context.Context, original string) purge.Report {
		return e.purger.Purge(ctx, original, func(operators.PurgeReport) {})
	})
	e.add(service.Deferred(e.byURL.Close))
	e.add(service.Stopper(e.obtainer.Stop))
	return nil
}

func (e *Edge) newPlaces() *places.Places {
	s := e.config.Settings
	return places.New(places.Config{
		Settings: s, Admitter: e.admitter, Queue: queued{e.dispatcher}, Backlog: e.backlog, Fleet: e.fleet,
		PerIP: e.limitsOfClient,
	})
}

// limitsOfClient returns the limits of per-ip for a client now, as coordinators apply them.
func (e *Edge) limitsOfClient(client string) settings.Pool {
	s := e.config.Settings.Throttle
	p, network := throttle.Limits{Settings: s, Networks: e.networks()}.OfClient(client)
	if network < 0 {
		p = e.directives.Limits(string(throttle.PerIP), p)
	}
	return p
}

// networks returns the networks whose clients have limits of their own.
func (e *Edge) networks() []throttle.Network {
	return e.directives.Networks(e.config.Settings.Throttle.PerIP)
}

// queued gives places the dispatcher: it publishes and holds jobs.
type queued struct{ dispatcher *dispatch.Dispatcher }

func (q queued) Publish(ctx context.Context, job renderjob.Job, held ...places.Job) (places.Job, error) {
	var with []*dispatch.Handle
	for _, h := range held {
		with = append(with, h.(*dispatch.Handle)) // Hold returned h
	}
	handle, err := q.dispatcher.Publish(ctx, job, with...)
	if err != nil {
		return nil, err
	}
	return handle, nil
}

func (q queued) Hold(ctx context.Context, job renderjob.Job) places.Job {
	deadline, _ := ctx.Deadline()
	return q.dispatcher.Hold(job, deadline)
}

func (q queued) Electing() bool { return q.dispatcher.Electing() }

func (q queued) Unstarted(lane renderjob.Lane) time.Duration { return q.dispatcher.Unstarted(lane) }

// hearer passes purges and losses of messages, which presence hears, to the obtainer.
type hearer struct{ obtainer *obtain.Obtainer }

func (h hearer) Purge(p renderjob.Purge) {
	for _, original := range p.Originals {
		h.obtainer.Forget(original)
	}
}

func (h hearer) Lost() { h.obtainer.ForgetAll() }

// makeUploads makes the renderer of lists for operators, and listens for messages of uploads when
// upload.subject is set.
func (e *Edge) makeUploads(open.Stores) error {
	c := e.config
	e.bulk = bulk.New(bulk.Config{
		Grammar: e.grammar, Obtainer: e.obtainer, Deadline: c.Settings.Edge.Deadline,
		AtOnce: func() int { return e.fleet.LaneWorkers(renderjob.LaneBulk) },
	})
	if c.Settings.Upload.Subject == "" {
		return nil
	}
	renew := func(ctx context.Context, original string) bool {
		report := e.purger.Purge(ctx, original, func(operators.PurgeReport) {})
		return len(report.Missed) == 0
	}
	uploads, err := bulk.ListenForUploads(bulk.UploadsConfig{
		Conn: e.conn, Subject: c.Settings.Upload.Subject, Widths: c.Settings.Upload.Widths, Renderer: e.bulk, Purge: renew, Log: c.Log, Metrics: c.Metrics,
	})
	if err != nil {
		return err
	}
	e.add(service.Deferred(uploads.Close))
	return nil
}

// makeFront binds the listener.
func (e *Edge) makeFront(open.Stores) error {
	c := e.config
	clients, err := clientaddr.New(c.Settings.Edge.TrustedProxies, c.Settings.Throttle.Exempt, e.directives)
	if err != nil {
		return fmt.Errorf("edge.trusted_proxies: %w", err)
	}
	refused := refusals.New(c.Log)
	e.add(refused)
	handler := web.New(web.Config{
		Settings: c.Settings, Grammar: e.grammar, Obtainer: e.obtainer, Purger: e.byURL, Clients: clients, Tracer: e.tracer, Refusals: refused, Log: c.Log, Metrics: c.Metrics,
	})
	e.requests.Store(handler)
	if e.http, err = front.New(c.Settings.Edge, clients, handler, c.Log, c.Metrics); err != nil {
		return err
	}
	e.add(e.http)
	return nil
}
