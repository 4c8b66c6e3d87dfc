// Package renderer is the role that draws. It pulls jobs from the queue while it has room, fetches the originals,
// lets worker processes render them, replies, and stores the thumbnails.
//
// DESIGN.md in this folder explains the design and its reasons.
package renderer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/pipeline"
	"github.com/thumbmill/thumbmill/renderer/internal/source"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/tempdir"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
	"github.com/thumbmill/thumbmill/shared/version"
)

// Config holds the settings and dependencies of a renderer.
type Config struct {
	Settings settings.Settings
	Stores   open.Stores
	NATS     []nats.Option // added to the settings' options, for example an embedded server
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	// Render replaces the workers, for measurements of everything around them.
	Render func(ctx context.Context, s thumbnail.Spec) ([]byte, error)
}

// Renderer is one renderer. Its parts start in the order of their creation, and stop in reverse order.
type Renderer struct {
	name   string
	slots  int
	config Config
	parts  service.Parts
	stop   sync.Once

	tracer   *tracing.Tracer
	tempDir  *tempdir.Dir
	conn     *nats.Conn
	js       jetstream.JetStream
	workers  *workers // nil with Config.Render
	engines  engines
	pipeline *pipeline.Pipeline
	intake   *intake.Intake
	pulling  *pulling
}

// WorkerAsked reports whether this process was started as a renderer's worker. The main of every binary that contains
// a renderer asks first, and then calls WorkerMain.
func WorkerAsked() bool { return worker.Asked() }

// WorkerMain runs a worker, and returns the exit code.
func WorkerMain() int { return worker.Main() }

// New connects to NATS and starts the workers. After an error it stops the parts that it made.
func New(c Config) (*Renderer, error) {
	r := &Renderer{name: "renderer-" + nuid.Next(), config: c, slots: cmp.Or(c.Settings.Renderer.Slots, runtime.NumCPU())}
	for _, step := range []func() error{r.makeTempDir, r.makeTracer, r.connect, r.makeEngines, r.makePipeline, r.makeParts} {
		if err := step(); err != nil {
			return nil, errors.Join(err, r.Stop(context.Background()))
		}
	}
	return r, nil
}

func (r *Renderer) add(parts ...service.Part) { r.parts = append(r.parts, parts...) }

func (r *Renderer) makeTempDir() (err error) {
	if r.tempDir, err = tempdir.New(r.config.Settings.Renderer.TempDir, "thumbmill-renderer"); err != nil {
		return fmt.Errorf("renderer.temp_dir: %w", err)
	}
	r.add(service.Closer(r.tempDir.Remove))
	return nil
}

func (r *Renderer) makeTracer() (err error) {
	if r.tracer, err = tracing.New(r.config.Settings.Trace, "renderer", r.name, r.config.Log); err != nil {
		return err
	}
	r.add(service.Stopper(r.tracer.Stop))
	return nil
}

func (r *Renderer) connect() (err error) {
	s := r.config.Settings.NATS
	if r.conn, err = queue.Connect(s, "renderer", r.name, r.config.Log, r.config.NATS...); err != nil {
		return err
	}
	r.add(service.Closer(func() error {
		_ = r.conn.FlushTimeout(time.Second) // best effort: the server may be gone
		r.conn.Close()
		return nil
	}))
	r.js, err = jetstream.New(r.conn)
	r.add(starter(func(ctx context.Context) error { return queue.Find(ctx, r.js, s) }))
	return err
}

func (r *Renderer) makeEngines() (err error) {
	if r.config.Render != nil {
		r.engines = instead{r.config.Render}
		return nil
	}
	if r.workers, err = newWorkers(r.name, r.slots, r.tempDir.Path, r.config); err != nil {
		return err
	}
	r.add(service.Closer(r.workers.close))
	r.engines = r.workers.engines(r.tracer, r.config)
	return nil
}

func (r *Renderer) makePipeline() error {
	s := r.config.Settings.Renderer
	stores := r.config.Stores.Guarded(r.config.Metrics, r.config.Log)
	originals, err := source.New(source.Config{
		Originals: stores.Originals, Dir: filepath.Join(r.tempDir.Path, "originals"), Downloads: s.Downloads,
		MaxBytes: int64(s.MaxOriginalBytes), Room: int64(s.TempBytes), //nolint:gosec // bounded by settings
		Timeout: deadline.Fetch, Metrics: r.config.Metrics,
	})
	if err != nil {
		return err
	}
	r.pipeline = pipeline.New(pipeline.Config{
		Renderer: r.name, Site: r.config.Settings.NATS.Site, Originals: originals, Versions: stores.Originals, Thumbnails: stores.Thumbnails,
		Prompt: prompt(r.config.Settings.Store.Thumbnails, stores.Originals), Tracer: r.tracer, Engines: r.engines, Slots: r.slots, Batch: s.Batch, MaxOriginalPixels: s.MaxPixels, Memory: int64(s.MemoryLimit), //nolint:gosec // bounded by settings
		Edges: edges{r.conn}, Log: r.config.Log, Metrics: r.config.Metrics,
	})
	r.intake = intake.New(intake.Config{
		Renderer: r.name, Site: r.config.Settings.NATS.Site, JetStream: r.js, Slots: r.slots, Ahead: s.Ahead, Processor: r.pipeline, Log: r.config.Log,
	})
	return nil
}

// prompt returns pipeline.Config.Prompt: it holds for files in directories, unless thumbnails wait for the disk.
func prompt(thumbnails storeconfig.Bucket, originals objectstore.Store) func(thumbnail.Location) bool {
	return func(at thumbnail.Location) bool {
		return thumbnails.Kind == "directory" && !thumbnails.Sync && objectstore.IsPlain(originals, at)
	}
}

// makeParts makes the parts that run in the background. The parts for purges and heartbeats stand before the pulling,
// so they stop after it: the renderer answers purges and sends heartbeats until its last job is finished.
func (r *Renderer) makeParts() error {
	log := r.config.Log
	purges := &purges{pipeline: r.pipeline, renderer: r.name, log: log}
	drains := &drains{intake: r.intake, log: log}
	memory := newMemory(r.slots, r.intake, log)
	beat := &heartbeat{conn: r.conn, log: log, compose: func() renderjob.Heartbeat { return r.heartbeat(memory, drains) }, before: memory.yield}
	orders := &controls{drain: drains.drainFor, describe: beat.describe, log: log}
	r.pulling = &pulling{intake: r.intake, announce: beat.publish, kill: r.workers.kill}
	r.add(
		&listener{conn: r.conn, subject: renderjob.PurgeSubject, hear: purges.forget},
		&listener{conn: r.conn, subject: renderjob.ControlSubject(r.name), hear: orders.hear},
		drains, beat, r.pulling,
		&listener{conn: r.conn, subject: renderjob.HandOverSubject(r.name), hear: r.intake.Take},
	)
	return nil
}

// heartbeat returns the renderer's current state.
func (r *Renderer) heartbeat(m *memory, d *drains) renderjob.Heartbeat {
	return renderjob.Heartbeat{
		Version: renderjob.Version, Renderer: r.name, Site: r.config.Settings.NATS.Site, Guests: r.intake.Guests(), EngineVersion: r.engines.Version(), Build: version.Text(),
		Versions: r.engines.Versions(), TypeVersions: r.engines.Versions().Engines(),
		Slots: m.slots(), Whole: r.slots, Busy: r.pipeline.Busy(), Utilisation: r.pipeline.Utilisation(), Beside: r.pipeline.Beside(),
		Batch: r.config.Settings.Renderer.Batch, InHand: r.intake.InHand(), Free: r.free(d), Draining: r.intake.Draining() || d.draining(), Directed: d.draining(),
		Kills: r.workers.kills(), Engines: r.engines.Types(), Layers: r.workers.layers(),
	}
}

// free returns the number of jobs that edges may hand over now: none before the renderer pulls.
func (r *Renderer) free(d *drains) int {
	if d.draining() || r.pulling.ready() != nil {
		return 0
	}
	return r.intake.Free()
}

// Start begins to pull jobs and to send heartbeats. After an error all parts are stopped.
func (r *Renderer) Start(ctx context.Context) error {
	if err := r.parts.Start(ctx); err != nil {
		r.stop.Do(func() {}) // parts.Start stopped them already
		return err
	}
	r.config.Log.Info("start pulling jobs", "renderer", r.name, "slots", r.slots, "engine", r.engines.Version())
	return nil
}

// Stop drains: the renderer finishes the renders that run, and hands back the jobs that did not begin. When ctx ends
// first, Stop kills the workers, and other renderers get their jobs.
func (r *Renderer) Stop(ctx context.Context) (err error) {
	r.stop.Do(func() { err = r.parts.Stop(ctx) })
	return err
}

// Ready returns nil, or the reason why the renderer takes no jobs.
func (r *Renderer) Ready() error {
	if !r.conn.IsConnected() {
		return errors.New("not connected to NATS")
	}
	return r.pulling.ready()
}

// Name returns the renderer's name on the queue.
func (r *Renderer) Name() string { return r.name }

// WorkerPIDs returns the process ids of the libvips workers, for tests that disturb them.
func (r *Renderer) WorkerPIDs() []int { return r.workers.pids() }

// InHand returns the number of jobs that are pulled and not acknowledged.
func (r *Renderer) InHand() int { return r.intake.InHand() }

// Jobs returns the jobs under way, for debuggers.
func (r *Renderer) Jobs() any { return r.pipeline.Jobs() }

// TempDir returns the folder of the renderer's temporary files, originals included.
func (r *Renderer) TempDir() string { return r.tempDir.Path }
