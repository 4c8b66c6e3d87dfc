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
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/pipeline"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/tempdir"
)

// Config is what a renderer is made of.
type Config struct {
	Settings settings.Settings
	Stores   open.Stores
	NATS     []nats.Option // beside those of the settings: an embedded server
	Log      *slog.Logger
	Metrics  prometheus.Registerer
}

// Renderer is one renderer.
type Renderer struct {
	name     string
	slots    int
	config   Config
	tempDir  string
	conn     *nats.Conn
	js       jetstream.JetStream
	workers  *worker.Pool
	pipeline *pipeline.Pipeline
	intake   *intake.Intake
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
	r := &Renderer{name: "renderer-" + nuid.Next(), config: c, slots: c.Settings.Renderer.Slots}
	if r.slots == 0 {
		r.slots = runtime.NumCPU()
	}
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
	if r.conn, err = queue.Connect(s.NATS, r.name, r.config.Log, r.config.NATS...); err != nil {
		return err
	}
	if r.js, err = jetstream.New(r.conn); err != nil {
		return err
	}
	killed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_workers_killed_total", Help: "Workers that ended, by reason: time, cpu, file (limits), died (under a render), idle.",
	}, []string{"reason"})
	r.config.Metrics.MustRegister(killed)
	r.workers, err = worker.NewPool(worker.Config{
		Slots: r.slots, Memory: uint64(s.Renderer.MemoryLimit), TempDir: r.tempDir, Log: r.config.Log, Killed: killed,
	})
	if err != nil {
		return err
	}
	stores := r.config.Stores.Guarded(r.config.Metrics, r.config.Log)
	r.pipeline = pipeline.New(pipeline.Config{
		Renderer: r.name, Originals: stores.Originals, Thumbnails: stores.Thumbnails, Workers: r.workers, Slots: r.slots,
		MaxOriginalBytes: int64(s.Renderer.MaxOriginalBytes), MaxOriginalPixels: s.Renderer.MaxPixels, //nolint:gosec // bounded by settings
		TempDir: r.tempDir, Edges: edges{r.conn}, Log: r.config.Log, Metrics: r.config.Metrics,
	})
	r.intake = intake.New(intake.Config{
		JetStream: r.js, Slots: r.slots, Ahead: s.Renderer.Ahead, Processor: r.pipeline,
		Log: r.config.Log, Metrics: r.config.Metrics,
	})
	return nil
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
func (r *Renderer) WorkerPIDs() []int { return r.workers.PIDs() }

// InHand is how many jobs are pulled and not acknowledged.
func (r *Renderer) InHand() int { return r.intake.InHand() }

// TempDir is where originals are while they are rendered.
func (r *Renderer) TempDir() string { return r.tempDir }

// Start begins to pull and to tell of itself.
func (r *Renderer) Start(ctx context.Context) error {
	if _, err := queue.Ensure(ctx, r.js, r.config.Settings.NATS.Replicas); err != nil {
		return err
	}
	if err := r.intake.Start(ctx); err != nil {
		return err
	}
	beating, cancel := context.WithCancel(context.Background())
	r.beating = cancel
	r.group.Go(func() { r.beat(beating) })
	r.config.Log.Info("renderer pulls", "renderer", r.name, "slots", r.slots, "engine", r.workers.Engine())
	return nil
}

// Stop drains: what renders is finished, what was not begun is handed back.
func (r *Renderer) Stop(ctx context.Context) (err error) {
	r.stop.Do(func() {
		if r.workers != nil { // what is given up must not go on
			kill := context.AfterFunc(ctx, r.workers.Close)
			defer kill()
		}
		if r.intake != nil {
			r.intake.Drain()
			r.publishHeartbeat()
			err = r.intake.Stop(ctx)
		}
		if r.beating != nil {
			r.beating()
			r.group.Wait()
		}
		if r.workers != nil {
			r.workers.Close()
		}
		if r.conn != nil {
			_ = r.conn.FlushTimeout(time.Second)
			r.conn.Close()
		}
		err = errors.Join(err, os.RemoveAll(r.tempDir))
	})
	return err
}

// edges reaches edges over core NATS.
type edges struct{ conn *nats.Conn }

// Tell publishes a result; it may be lost.
func (e edges) Tell(edge string, result renderjob.Result) error {
	msg, err := result.Message(edge)
	if err != nil {
		return err
	}
	return e.conn.PublishMsg(msg)
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
		r.publishHeartbeat()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (r *Renderer) publishHeartbeat() {
	text, err := json.Marshal(renderjob.Heartbeat{
		Version: renderjob.Version, Renderer: r.name, EngineVersion: r.workers.Engine(), Slots: r.slots,
		Busy: r.pipeline.Busy(), InHand: r.intake.InHand(), Draining: r.intake.Draining(),
	})
	if err == nil {
		err = r.conn.Publish(renderjob.HeartbeatSubject(r.name), text)
	}
	if err != nil {
		r.config.Log.Warn("heartbeat", "error", err)
	}
}
