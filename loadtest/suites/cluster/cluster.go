// Package cluster starts clusters of several edges, coordinators and renderers in one test process,
// over the protocols that they use on many machines, and disturbs them. Its tests are the system
// tests of the product.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/edge"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/settings/value"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const patience = 30 * time.Second

// Options describe the parts of a cluster. Zero means one of each.
type Options struct {
	Edges, Coordinators, Renderers int
	// Settings changes the defaults.
	Settings func(*settings.Settings)
	// Stores replaces the directories below the test's folder.
	Stores *open.Stores
	// Workers makes renderers draw in workers, as in production. Without it each render returns the
	// same small picture: tests of the way of requests then need no processes that decode.
	Workers bool
	// Render replaces that picture in a cluster without workers.
	Render func(ctx context.Context, s thumbnail.Spec) ([]byte, error)
	// Queue is a running NATS server. Without it, the cluster starts one.
	Queue *servers.NATS
	// EdgeNATS replaces the URL of the queue for edges, for instance by a Link's.
	EdgeNATS func(url string) string
}

// Cluster is a running cluster. It stops with its test, and fails the test if it leaves anything
// behind.
type Cluster struct {
	t            testing.TB
	Dir          string // originals and thumbnails are below it
	Settings     settings.Settings
	Log          *slog.Logger
	Queue        *servers.NATS
	Stores       open.Stores
	Hooks        *Hooks
	Coordinators []*coordinator.Coordinator
	tables       []*prometheus.Registry // of the coordinators
	renderers    []*prometheus.Registry
	render       func(ctx context.Context, s thumbnail.Spec) ([]byte, error) // nil means workers
	Renderers    []*renderer.Renderer
	Edges        []*Edge
}

// Edge is an edge with its own metrics.
type Edge struct {
	role     *edge.Edge
	Registry *prometheus.Registry
}

// Addr returns the address where the edge serves thumbnails.
func (e *Edge) Addr() string { return e.role.Addr() }

// Name returns the edge's name.
func (e *Edge) Name() string { return e.role.Name() }

// API returns the handler for operators.
func (e *Edge) API() http.Handler { return e.role.API() }

// OpenJobs returns the number of the edge's jobs without a result.
func (e *Edge) OpenJobs() int { return e.role.OpenJobs() }

// Start starts a cluster and waits until it is ready.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	c := &Cluster{t: t, Dir: t.TempDir(), Settings: defaults(), Log: NewLog(t), Hooks: &Hooks{}, render: o.Render}
	if !o.Workers && o.Render == nil {
		c.render = sample
	}
	if c.render != nil {
		c.render = c.Hooks.holding(c.render)
	}
	c.Settings.Store.Originals.Path = filepath.Join(c.Dir, "originals")
	c.Settings.Store.Thumbnails.Path = filepath.Join(c.Dir, "thumbnails")
	c.Settings.Renderer.TempDir = filepath.Join(c.Dir, "temp")
	if o.Settings != nil {
		o.Settings(&c.Settings)
	}
	c.startQueue(o.Queue)
	c.openStores(o.Stores)
	for range max(1, o.Coordinators) {
		c.AddCoordinator()
	}
	for range max(1, o.Renderers) {
		c.AddRenderer()
	}
	for range max(1, o.Edges) {
		c.AddEdge(o.EdgeNATS)
	}
	c.t.Cleanup(c.assertNothingLeft)
	return c
}

// defaults returns settings of a small cluster. Renderers have one slot, so that tests know which
// requests wait.
func defaults() settings.Settings {
	s := settings.Default()
	s.Edge.Listen, s.NATS.Listen = "127.0.0.1:0", "127.0.0.1:0"
	s.Coordinator.Listen = []string{"127.0.0.1:0"}
	s.Edge.TrustedProxies = []string{"127.0.0.1"} // tests set the client in X-Forwarded-For
	s.Edge.AllowUnsafe = true
	s.Edge.Revalidate = 0
	s.Renderer.Slots, s.Renderer.Ahead = 1, 0
	return s
}

// must ends the test on an error.
func (c *Cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *Cluster) startQueue(given *servers.NATS) {
	if c.Queue = given; given == nil {
		c.Queue = servers.StartNATS(c.t)
	}
	c.Settings.NATS.URL = c.Queue.Settings().URL
}

func (c *Cluster) openStores(given *open.Stores) {
	var err error
	if given != nil {
		c.Stores = *given
	} else {
		c.Stores, err = open.New(c.Settings)
		c.must(err)
		c.t.Cleanup(func() { _ = c.Stores.Close() })
	}
	c.Stores.Originals = hooked{c.Stores.Originals, c.Hooks, "originals"}
	c.Stores.Thumbnails = hooked{c.Stores.Thumbnails, c.Hooks, "thumbnails"}
}

// startPart starts a part. It stops with the test.
func (c *Cluster) startPart(p service.Part) {
	c.t.Helper()
	c.must(p.Start(c.t.Context()))
	c.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			c.t.Errorf("stop: %v", err)
		}
	})
}

// AddCoordinator starts another coordinator. It is the last one in the list of later edges.
func (c *Cluster) AddCoordinator() *coordinator.Coordinator {
	c.t.Helper()
	table := prometheus.NewRegistry()
	c.tables = append(c.tables, table)
	co, err := coordinator.New(coordinator.Config{Settings: c.Settings.Coordinator, Prometheus: c.Settings.Prometheus, Log: c.Log, Metrics: table})
	c.must(err)
	c.startPart(co)
	c.Coordinators = append(c.Coordinators, co)
	c.Settings.Coordinator.Servers = append(c.Settings.Coordinator.Servers, co.Addr())
	return co
}

// sample is the picture of a cluster without workers.
func sample(context.Context, thumbnail.Spec) ([]byte, error) {
	return samples.JPEG(samples.Landscape(16, 10))
}

// AddRenderer starts another renderer.
func (c *Cluster) AddRenderer() *renderer.Renderer {
	c.t.Helper()
	registry := prometheus.NewRegistry()
	r, err := renderer.New(renderer.Config{Settings: c.Settings, Stores: c.Stores, Log: c.Log, Metrics: registry, Render: c.render})
	c.must(err)
	c.startPart(r)
	c.Renderers = append(c.Renderers, r)
	c.renderers = append(c.renderers, registry)
	return r
}

// AddEdge starts another edge, and waits until it knows a renderer.
func (c *Cluster) AddEdge(natsURL func(string) string) *Edge {
	c.t.Helper()
	s := c.Settings
	if natsURL != nil {
		s.NATS.URL = value.URLs(natsURL(string(s.NATS.URL)))
	}
	registry := prometheus.NewRegistry()
	role, err := edge.New(edge.Config{Settings: s, Stores: c.Stores, Log: c.Log, Metrics: registry})
	c.must(err)
	c.startPart(role)
	eventually.Succeeds(c.t, patience, "the edge is ready", role.Ready)
	e := &Edge{role, registry}
	c.Edges = append(c.Edges, e)
	return e
}

// Original writes an original.
func (c *Cluster) Original(name string, body []byte, err error) {
	c.t.Helper()
	path := filepath.Join(c.Settings.Store.Originals.Path, name)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, body, 0o600)
	}
	c.must(err)
}

// Answer is an edge's answer to a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Err    error
}

// Get requests a path from an edge, as the given client.
func (c *Cluster) Get(ctx context.Context, e *Edge, path, client string) Answer {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.Addr()+path, nil)
	if err != nil {
		return Answer{Err: err}
	}
	request.Header.Set("X-Forwarded-For", client)
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return Answer{Err: err}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, response.Header, body, err}
}

// Wants fails the test unless the answer has the status.
func (a Answer) Wants(t testing.TB, status int) {
	t.Helper()
	if a.Err != nil || a.Status != status {
		t.Errorf("%d %q %v, want %d", a.Status, a.Body[:min(len(a.Body), 200)], a.Err, status)
	}
}

// Go sends a request in the background.
func (c *Cluster) Go(ctx context.Context, e *Edge, path, client string) <-chan Answer {
	answer := make(chan Answer, 1)
	go func() { answer <- c.Get(ctx, e, path, client) }()
	return answer
}

// Jobs returns the number of jobs in the stream, including jobs that renderers hold.
func (c *Cluster) Jobs() (jobs int) {
	c.t.Helper()
	c.inQueue(func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, queue.Stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err == nil {
			jobs = int(stream.CachedInfo().State.Msgs)
		}
		return err
	})
	return jobs
}

// Pulling returns the number of the renderers' open pulls of a lane, and the number of the lane's
// jobs that renderers hold.
func (c *Cluster) Pulling(lane renderjob.Lane) (open, inHand int) {
	c.t.Helper()
	c.inQueue(func(ctx context.Context, js jetstream.JetStream) error {
		consumer, err := js.Consumer(ctx, queue.Stream, lane.Consumer())
		if err == nil {
			open, inHand = consumer.CachedInfo().NumWaiting, consumer.CachedInfo().NumAckPending
		}
		return err
	})
	return open, inHand
}

// inQueue calls do with JetStream on a separate connection.
func (c *Cluster) inQueue(do func(context.Context, jetstream.JetStream) error) {
	c.t.Helper()
	conn, err := nats.Connect(c.Queue.URL())
	c.must(err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	c.must(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience) // not the test's context: cleanups call this too
	defer cancel()
	c.must(do(ctx, js))
}

// BoundLanes lowers the bound of each lane to n jobs: filling queue.LaneBound takes seconds.
func (c *Cluster) BoundLanes(n int64) {
	c.t.Helper()
	c.inQueue(func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, queue.Stream)
		if err != nil {
			return err
		}
		config := stream.CachedInfo().Config
		config.MaxMsgsPerSubject = n
		_, err = js.UpdateStream(ctx, config)
		return err
	})
}

// Fill puts n messages into a lane. They have a deadline in the past, so renderers drop them.
func (c *Cluster) Fill(lane renderjob.Lane, n int) {
	c.t.Helper()
	c.inQueue(func(ctx context.Context, js jetstream.JetStream) error {
		for range n {
			if _, err := js.Publish(ctx, lane.Subject(), []byte(`{"deadline_ms":0}`)); err != nil && !queue.IsFull(err) {
				return err
			}
		}
		return nil
	})
}

// Renders waits until all flights have ended, and returns the number of written thumbnails.
func (c *Cluster) Renders() int {
	c.t.Helper()
	for _, e := range c.Edges {
		Eventually(c.t, "all flights have ended", func() bool { return e.Metric(c.t, "thumbmill_flights") == 0 && e.OpenJobs() == 0 })
	}
	return c.Hooks.Puts()
}

// Registries returns the metrics of coordinators and renderers.
func (c *Cluster) Registries() []*prometheus.Registry { return slices.Concat(c.tables, c.renderers) }

// Throttles returns the first coordinator's report.
func (c *Cluster) Throttles() (report coordinator.Throttles) {
	c.t.Helper()
	w := httptest.NewRecorder()
	c.Coordinators[0].API().ServeHTTP(w, httptest.NewRequest(http.MethodGet, operators.Throttles, nil))
	c.must(json.Unmarshal(w.Body.Bytes(), &report))
	return report
}

// LaneWorkers returns the size of a lane's pool at the first coordinator.
func (c *Cluster) LaneWorkers(lane renderjob.Lane) int {
	for _, l := range c.Throttles().Lanes {
		if l.Name == string(lane) {
			return int(l.Limit)
		}
	}
	return 0
}

// Metric returns a gauge or counter of an edge, as a sum over the other labels.
func (e *Edge) Metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	return metric(t, e.Registry, name, labels...)
}

func metric(t testing.TB, r *prometheus.Registry, name string, labels ...string) (sum float64) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	metrics:
		for _, m := range f.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			for i := 0; i+1 < len(labels); i += 2 {
				if have[labels[i]] != labels[i+1] {
					continue metrics
				}
			}
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return sum
}

// Held returns the number of held places of a class at all coordinators.
func (c *Cluster) Held(class throttle.Name) (sum float64) {
	for _, table := range c.tables {
		sum += metric(c.t, table, "thumbmill_pool_holders", "class", string(class))
	}
	return sum
}

// Waiting returns the number of waits for places of a class at all coordinators.
func (c *Cluster) Waiting(class throttle.Name) (sum float64) {
	for _, table := range c.tables {
		sum += metric(c.t, table, "thumbmill_pool_waiters", "class", string(class))
	}
	return sum
}

// assertNothingLeft checks that no lease, place, job, flight or temporary file is left.
func (c *Cluster) assertNothingLeft() {
	for _, e := range c.Edges {
		Eventually(c.t, "no lease, flight or job is left", func() bool {
			return e.Metric(c.t, "thumbmill_leases") == 0 && e.Metric(c.t, "thumbmill_flights") == 0 && e.OpenJobs() == 0
		})
	}
	for _, table := range c.tables {
		Eventually(c.t, "no slot is held or waited for", func() bool {
			return metric(c.t, table, "thumbmill_pool_holders") == 0 && metric(c.t, table, "thumbmill_pool_waiters") == 0
		})
	}
	Eventually(c.t, "the stream is empty", func() bool { return c.Jobs() == 0 })
	for _, r := range c.Renderers {
		if left := leftIn(r.TempDir()); len(left) > 0 {
			c.t.Errorf("%s left %v", r.Name(), left)
		}
	}
}

// leftIn returns a renderer's temporary files, except the files that it keeps: originals for other
// sizes, and the tools' rules for fonts.
func leftIn(dir string) (left []string) {
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		kept := filepath.Base(filepath.Dir(path)) == "originals" || filepath.Base(path) == "fonts.conf"
		if err == nil && !entry.IsDir() && !kept {
			left = append(left, path)
		}
		return nil
	})
	return left
}

// Eventually waits for a condition, at most half a minute.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	eventually.Holds(t, patience, what, holds)
}

// NewLog returns a logger that writes to the test's log until the test ends.
func NewLog(t testing.TB) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(func() { w.mu.Lock(); w.t = nil; w.mu.Unlock() })
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

type testWriter struct {
	mu sync.Mutex
	t  testing.TB
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

var _ objectstore.Store = hooked{}
