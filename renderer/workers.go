package renderer

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/thumbmill/thumbmill/renderer/internal/cgroup"
	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/sandbox"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// scratch is what a tool may write to disk, in bytes.
const scratch = 1 << 30

// workers are the processes that render, of both kinds. A nil one has none.
type workers struct {
	vips    *worker.Pool
	tools   *worker.Pool
	cgroups *cgroup.Parent // nil when the machine grants none
	killed  *prometheus.CounterVec
}

// newWorkers starts them, and tells what confines them.
func newWorkers(renderer string, slots int, tempDir string, c Config) (*workers, error) {
	s := c.Settings.Renderer
	w := &workers{killed: newKilled()}
	var err error
	if w.cgroups, err = cgroup.Open(renderer); err != nil {
		c.Log.Info("workers have no control groups of their own", "reason", err)
	}
	c.Metrics.MustRegister(w.killed)
	config := worker.Config{
		Slots: slots, Memory: uint64(s.MemoryLimit), TempDir: tempDir, Scratch: scratch, Recycle: s.Recycle,
		Require: layers(s.Sandbox), Cgroups: w.cgroups, Log: c.Log, Killed: w.killed,
	}
	if err := w.fill(config); err != nil {
		return nil, errors.Join(err, w.close())
	}
	c.Log.Info("workers are confined", "layers", w.tools.Ready().Layers)
	return w, nil
}

// newKilled counts each reason from the start, so that its rate is known at the first one.
func newKilled() *prometheus.CounterVec {
	killed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_workers_killed_total",
		Help: "Workers that ended, by reason: time, cpu, file, scratch (limits), died (under a render), idle, recycled.",
	}, []string{"reason"})
	for _, reason := range []string{"time", "cpu", "file", "scratch", "died"} {
		killed.WithLabelValues(reason)
	}
	return killed
}

func (w *workers) fill(c worker.Config) (err error) {
	c.Kind = worker.Vips
	if w.vips, err = worker.NewPool(c); err != nil {
		return err
	}
	c.Kind, c.Standby = worker.Tools, 1 // few originals need one
	w.tools, err = worker.NewPool(c)
	return err
}

// engines draw by these workers.
func (w *workers) engines(tracer *tracing.Tracer, c Config) *engine.Engines {
	optimize := make([]thumbnail.Format, 0, len(c.Settings.Renderer.Optimizers))
	for _, name := range c.Settings.Renderer.Optimizers {
		optimize = append(optimize, thumbnail.Format(name))
	}
	return engine.New(engine.Config{
		Vips: w.vips, Tools: w.tools, Tracer: tracer, Optimize: optimize, Log: c.Log, Metrics: c.Metrics,
	})
}

// layers confine the workers.
func (w *workers) layers() (all []string) {
	if w == nil {
		return nil
	}
	for _, l := range w.vips.Ready().Layers {
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

// pids are the processes that draw with libvips.
func (w *workers) pids() []int {
	if w == nil {
		return nil
	}
	return w.vips.PIDs()
}

// kills counts the workers that were killed so far, by reason; those that ended when they
// were idle, or had done their share, are not among them.
func (w *workers) kills() map[string]int64 {
	all := map[string]int64{}
	if w == nil {
		return all
	}
	metrics := make(chan prometheus.Metric, 16)
	go func() { w.killed.Collect(metrics); close(metrics) }()
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

// kill ends all workers, those that render included.
func (w *workers) kill() {
	if w == nil {
		return
	}
	for _, pool := range []*worker.Pool{w.vips, w.tools} {
		if pool != nil {
			pool.Close()
		}
	}
}

// close kills the workers, and removes their control groups.
func (w *workers) close() error {
	w.kill()
	if w.cgroups != nil {
		_ = w.cgroups.Close() // what the kernel does not let go of says nothing about the renders
	}
	return nil
}
