// Package renderer is the role that draws: it pulls jobs from the queue while
// it has room, fetches the originals, has them rendered by worker processes,
// replies, and stores the thumbnails.
//
// DESIGN.md in this folder tells how it works and why so.
package renderer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/thumbmill/thumbmill/renderer/internal/cgroup"
	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/pipeline"
	"github.com/thumbmill/thumbmill/renderer/internal/pressure"
	"github.com/thumbmill/thumbmill/renderer/internal/sandbox"
	"github.com/thumbmill/thumbmill/renderer/internal/source"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/tempdir"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
	"github.com/thumbmill/thumbmill/shared/version"
)

const (
	// fetchTimeout bounds the download of one original.
	fetchTimeout = 20 * time.Second
	// scratch is what a tool may write to disk, in bytes.
	scratch = 1 << 30
)

// Config is what a renderer is made of.
type Config struct {
	Settings settings.Settings
	Stores   open.Stores
	NATS     []nats.Option // beside those of the settings: an embedded server
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	// Render renders instead of workers, for who measures everything around them.
	Render func(ctx context.Context, s thumbnail.Spec) ([]byte, error)
}

// Renderer is one renderer.
type Renderer struct {
	name     string
	slots    int
	config   Config
	tracer   *tracing.Tracer
	tempDir  *tempdir.Dir
	conn     *nats.Conn
	js       jetstream.JetStream
	vips     *worker.Pool
	tools    *worker.Pool
	cgroups  *cgroup.Parent // nil when the machine grants none
	engines  engines
	layers   []string // that confine the workers
	pipeline *pipeline.Pipeline
	intake   *intake.Intake
	gauge    pressure.Gauge
	allowed  atomic.Int64 // slots that memory allows now
	ordered  atomic.Bool  // an operator has it drain
	drained  *time.Timer  // ends that; obey alone uses it
	killed   *prometheus.CounterVec
	beating  context.CancelFunc
	group    sync.WaitGroup
	stop     sync.Once
}

// WorkerAsked reports whether this process was started as a worker of a
// renderer. The main of every binary that contains a renderer asks first, and
// then calls WorkerMain.
func WorkerAsked() bool { return worker.Asked() }

// WorkerMain is a worker's life; it returns the exit code.
func WorkerMain() int { return worker.Main() }

// New connects to NATS and starts the workers.
func New(c Config) (*Renderer, error) {
	r := &Renderer{name: "renderer-" + nuid.Next(), config: c, slots: c.Settings.Renderer.Slots, gauge: pressure.New()}
	if r.slots == 0 {
		r.slots = runtime.NumCPU()
	}
	r.allowed.Store(int64(r.slots))
	var err error
	if r.tempDir, err = tempdir.New(c.Settings.Renderer.TempDir, "thumbmill-renderer"); err != nil {
		return nil, fmt.Errorf("renderer.temp_dir: %w", err)
	}
	if err := r.build(); err != nil {
		return nil, errors.Join(err, r.Stop(context.Background()))
	}
	return r, nil
}

func (r *Renderer) build() (err error) {
	s := r.config.Settings
	if r.tracer, err = tracing.New(s.Trace, "renderer", r.name, r.config.Log); err != nil {
		return err
	}
	if r.conn, err = queue.Connect(s.NATS, "renderer", r.name, r.config.Log, r.config.NATS...); err != nil {
		return err
	}
	if r.js, err = jetstream.New(r.conn); err != nil {
		return err
	}
	if r.config.Render != nil {
		r.engines = instead{r.config.Render}
	} else if err := r.startWorkers(); err != nil {
		return err
	}
	stores := r.config.Stores.Guarded(r.config.Metrics, r.config.Log)
	originals, err := source.New(source.Config{
		Originals: stores.Originals, Dir: filepath.Join(r.tempDir.Path, "originals"), Downloads: s.Renderer.Downloads,
		MaxBytes: int64(s.Renderer.MaxOriginalBytes), Room: int64(s.Renderer.TempBytes), //nolint:gosec // bounded by settings
		Timeout: fetchTimeout, Metrics: r.config.Metrics,
	})
	if err != nil {
		return err
	}
	r.pipeline = pipeline.New(pipeline.Config{
		Renderer: r.name, Source: originals, Originals: stores.Originals, Thumbnails: stores.Thumbnails,
		Tracer: r.tracer, Engines: r.engines, Slots: r.slots, MaxOriginalPixels: s.Renderer.MaxPixels,
		Edges: edges{r.conn}, Log: r.config.Log, Metrics: r.config.Metrics,
	})
	r.intake = intake.New(intake.Config{
		JetStream: r.js, Slots: r.slots, Ahead: s.Renderer.Ahead, Processor: r.pipeline, Log: r.config.Log,
	})
	return nil
}

// startWorkers starts both kinds, and tells what confines them.
func (r *Renderer) startWorkers() (err error) {
	s := r.config.Settings.Renderer
	if r.cgroups, err = cgroup.Open(r.name); err != nil {
		r.config.Log.Info("workers have no control groups of their own", "reason", err)
	}
	c := worker.Config{
		Slots: r.slots, Memory: uint64(s.MemoryLimit), TempDir: r.tempDir.Path, Scratch: scratch, Recycle: s.Recycle,
		Require: layers(s.Sandbox), Cgroups: r.cgroups, Log: r.config.Log,
		Killed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thumbmill_workers_killed_total",
			Help: "Workers that ended, by reason: time, cpu, file, scratch (limits), died (under a render), idle, recycled.",
		}, []string{"reason"}),
	}
	for _, reason := range []string{"time", "cpu", "file", "scratch", "died"} {
		c.Killed.WithLabelValues(reason) // there before the first one, so that its rate is known
	}
	r.killed = c.Killed
	r.config.Metrics.MustRegister(c.Killed)
	c.Kind = worker.Vips
	if r.vips, err = worker.NewPool(c); err != nil {
		return err
	}
	c.Kind = worker.Tools
	if r.tools, err = worker.NewPool(c); err != nil {
		return err
	}
	r.config.Log.Info("workers are confined", "layers", r.tools.Ready().Layers)
	r.layers = names(r.vips.Ready().Layers)
	formats := make([]thumbnail.Format, 0, len(s.Optimizers))
	for _, name := range s.Optimizers {
		formats = append(formats, thumbnail.Format(name))
	}
	r.engines = engine.New(engine.Config{
		Vips: r.vips, Tools: r.tools, Tracer: r.tracer, Optimize: formats, Log: r.config.Log, Metrics: r.config.Metrics,
	})
	return nil
}

// kills are those so far by reason; workers that end when they are idle or have done their
// share are none.
func (r *Renderer) kills() map[string]int64 {
	all := map[string]int64{}
	if r.killed == nil {
		return all
	}
	metrics := make(chan prometheus.Metric, 16)
	go func() { r.killed.Collect(metrics); close(metrics) }()
	for metric := range metrics {
		var m dto.Metric
		if metric.Write(&m) != nil || len(m.GetLabel()) == 0 {
			continue
		}
		if reason := m.GetLabel()[0].GetValue(); reason != "idle" && reason != "recycled" {
			all[reason] = int64(m.GetCounter().GetValue())
		}
	}
	return all
}

func names(layers []sandbox.Layer) (all []string) {
	for _, l := range layers {
		all = append(all, string(l))
	}
	return all
}

func layers(names []string) (all []sandbox.Layer) {
	for _, name := range names {
		all = append(all, sandbox.Layer(name))
	}
	return all
}

// Name is the renderer's name on the queue.
func (r *Renderer) Name() string { return r.name }

// Ready says what keeps the renderer from taking jobs, or nil.
func (r *Renderer) Ready() error {
	if !r.conn.IsConnected() {
		return errors.New("not connected to NATS")
	}
	if r.intake.Draining() {
		return errors.New("draining")
	}
	return nil
}

// WorkerPIDs are the processes that render, for tests that disturb them.
func (r *Renderer) WorkerPIDs() []int { return r.vips.PIDs() }

// InHand is how many jobs are pulled and not acknowledged.
func (r *Renderer) InHand() int { return r.intake.InHand() }

// Jobs are those under way, for who debugs.
func (r *Renderer) Jobs() any { return r.pipeline.Jobs() }

// TempDir is where originals are while they are rendered.
func (r *Renderer) TempDir() string { return r.tempDir.Path }

// Start begins to pull and to tell of itself.
func (r *Renderer) Start(ctx context.Context) error {
	if err := queue.Find(ctx, r.js, r.config.Settings.NATS.Replicas); err != nil {
		return err
	}
	if _, err := queue.Subscribe(r.conn, renderjob.PurgeSubject, r.forget); err != nil {
		return err
	}
	if _, err := queue.Subscribe(r.conn, renderjob.ControlSubject(r.name), r.obey); err != nil {
		return err
	}
	if err := r.intake.Start(ctx); err != nil {
		return err
	}
	beating, cancel := context.WithCancel(context.Background())
	r.beating = cancel
	r.group.Go(func() { r.beat(beating) })
	r.config.Log.Info("renderer pulls", "renderer", r.name, "slots", r.slots, "engine", r.engines.Version())
	return nil
}

// obey drains, or goes on, as an operator wants it.
func (r *Renderer) obey(m *nats.Msg) {
	var order renderjob.Control
	if err := json.Unmarshal(m.Data, &order); err != nil || order.DrainMS == nil { // nil: an answer of JetStream's, say
		r.config.Log.Warn("an order that cannot be read", "error", err)
		return
	}
	left := time.Duration(*order.DrainMS) * time.Millisecond
	drain := left > 0
	if r.ordered.Swap(drain) == drain {
		return
	}
	r.config.Log.Info("an operator has this renderer drain, or take jobs again", "drain", drain, "for", left)
	r.intake.Pause(drain)
	if drain {
		r.drained = time.AfterFunc(left, r.resume)
	} else {
		r.drained.Stop()
	}
}

// resume ends a drain whose time is over.
func (r *Renderer) resume() {
	if r.ordered.Swap(false) {
		r.config.Log.Info("the time to drain is over")
		r.intake.Pause(false)
	}
}

// forget takes a purge, and answers.
func (r *Renderer) forget(m *nats.Msg) {
	var p renderjob.Purge
	if err := json.Unmarshal(m.Data, &p); err != nil {
		r.config.Log.Warn("a purge that cannot be read", "error", err)
		return // and not answered, which the purge tells
	}
	for _, original := range p.Originals {
		r.pipeline.Forget(original)
	}
	if err := queue.Answer(m, r.name); err != nil {
		r.config.Log.Warn("a purge was not answered", "error", err)
	}
}

// Stop drains: what renders is finished, what was not begun is handed back.
func (r *Renderer) Stop(ctx context.Context) (err error) {
	r.stop.Do(func() {
		kill := context.AfterFunc(ctx, r.closeWorkers) // what is given up must not go on
		defer kill()
		if r.intake != nil {
			r.intake.Drain()
			r.publishHeartbeat()
			err = r.intake.Stop(ctx)
		}
		if r.beating != nil {
			r.beating()
			r.group.Wait()
		}
		r.closeWorkers()
		if r.conn != nil {
			_ = r.conn.FlushTimeout(time.Second)
			r.conn.Close()
		}
		if r.tracer != nil {
			err = errors.Join(err, r.tracer.Stop(ctx))
		}
		err = errors.Join(err, r.tempDir.Remove())
	})
	return err
}

func (r *Renderer) closeWorkers() {
	for _, pool := range []*worker.Pool{r.vips, r.tools} {
		if pool != nil {
			pool.Close()
		}
	}
	if r.cgroups != nil {
		_ = r.cgroups.Close()
	}
}

// edges reaches edges over core NATS.
type edges struct{ conn *nats.Conn }

// toldWithin is how long an edge may take to answer that it has a job's last result, and
// pauses are those before each time that it is told.
const toldWithin = 2 * time.Second

func pauses() []time.Duration {
	return []time.Duration{0, 100 * time.Millisecond, 500 * time.Millisecond, time.Second}
}

// Tell gives an edge a result; it may be lost. The last one of a job is given until the edge
// answers, since somebody waits for it: servers that only find each other lose what one has
// for the other, and so does a connection that breaks. An edge that died never answers.
func (e edges) Tell(edge string, result renderjob.Result) error {
	msg, err := result.Message(edge)
	if err != nil {
		return err
	}
	if !result.Last() {
		return e.conn.PublishMsg(msg)
	}
	for _, pause := range pauses() {
		time.Sleep(pause)
		if _, err = e.conn.RequestMsg(msg, toldWithin); err == nil {
			return nil
		}
	}
	return err
}

// TakeBack tells edges of a stale thumbnail that was taken back.
func (e edges) TakeBack(original thumbnail.Location) error {
	text, err := json.Marshal(renderjob.Purge{Version: renderjob.Version, Originals: []thumbnail.Location{original}})
	if err != nil {
		return err
	}
	return e.conn.Publish(renderjob.ForgetSubject, text)
}

// Begin asks. Only a clear word keeps the renderer from its work.
func (e edges) Begin(edge string, result renderjob.Result) bool {
	msg, err := result.Message(edge)
	if err != nil {
		return true
	}
	answer, err := e.conn.RequestMsg(msg, renderjob.StartedTimeout)
	return err != nil || string(answer.Data) != renderjob.Gone
}

// beat tells of the renderer every second.
func (r *Renderer) beat(ctx context.Context) {
	ticker := time.NewTicker(renderjob.HeartbeatEvery)
	defer ticker.Stop()
	for {
		r.yield()
		r.publishHeartbeat()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// yield takes on fewer jobs while memory runs short, and says so.
func (r *Renderer) yield() {
	slots := r.gauge.Slots(r.slots)
	if before := int(r.allowed.Swap(int64(slots))); before != slots {
		r.config.Log.Warn("memory decides how many renders run at once",
			"slots", slots, "of", r.slots, "stalled_percent", r.gauge.Stall())
		r.intake.Resize(slots)
	}
}

func (r *Renderer) publishHeartbeat() {
	text, err := json.Marshal(renderjob.Heartbeat{
		Version: renderjob.Version, Renderer: r.name, EngineVersion: r.engines.Version(), Slots: int(r.allowed.Load()),
		Busy: r.pipeline.Busy(), InHand: r.intake.InHand(), Draining: r.intake.Draining() || r.ordered.Load(), Ordered: r.ordered.Load(),
		Kills: r.kills(), Build: version.Text(),
		Utilisation: r.pipeline.Utilisation(), Whole: r.slots, Engines: r.engines.Types(), Layers: r.layers,
	})
	if err == nil {
		err = r.conn.Publish(renderjob.HeartbeatSubject(r.name), text)
	}
	if err != nil {
		r.config.Log.Warn("heartbeat", "error", err)
	}
}
