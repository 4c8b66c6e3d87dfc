package renderer

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/thumbmill/thumbmill/renderer/internal/cgroup"
	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/sandbox"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// scratch bounds the bytes that a tool may write to disk.
const scratch = 1 << 30

// rest is the time without a task after which a worker ends: each one of tools, and the drawing workers beyond the
// slots. A start takes 40 to 60 ms.
const rest = time.Minute

// workers holds the processes that render: a pool for libvips and a pool for tools. A nil *workers has no processes.
type workers struct {
	vips    *worker.Pool
	tools   *worker.Pool
	cgroups *cgroup.Parent // nil when the machine grants none
	killed  *prometheus.CounterVec
}

// newWorkers starts the workers, and logs the layers that confine them.
func newWorkers(renderer string, slots int, tempDir string, c Config) (*workers, error) {
	s := c.Settings.Renderer
	w := &workers{killed: newKilled()}
	var err error
	if w.cgroups, err = cgroup.Open(renderer); err != nil {
		c.Log.Info("run workers without control groups", "reason", err)
	}
	c.Metrics.MustRegister(w.killed)
	config := worker.Config{
		Slots: slots, Memory: uint64(s.MemoryLimit), TempDir: tempDir, Scratch: scratch, Recycle: s.Recycle, Nice: s.Nice,
		Require: layers(s.Sandbox), Cgroups: w.cgroups, Log: c.Log, Killed: w.killed,
	}
	if err := w.fill(config); err != nil {
		return nil, errors.Join(err, w.close())
	}
	c.Log.Info("confine workers", "layers", w.tools.Ready().Layers)
	return w, nil
}

// newKilled returns the counter of ended workers. Each reason starts at 0, so that the first kill shows up in a rate.
func newKilled() *prometheus.CounterVec {
	killed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_workers_killed_total",
		Help: "Workers that ended, by reason: time, cpu, file, scratch (limits), died (during a render), idle, recycled.",
	}, []string{"reason"})
	for _, reason := range []string{"time", "cpu", "file", "scratch", "died"} {
		killed.WithLabelValues(reason)
	}
	return killed
}

func (w *workers) fill(c worker.Config) (err error) {
	c.Kind, c.Standby, c.Rest = worker.Vips, c.Slots, rest
	if w.vips, err = worker.NewPool(c); err != nil {
		return err
	}
	c.Kind, c.Standby = worker.Tools, 0 // few originals need a tool
	w.tools, err = worker.NewPool(c)
	return err
}

// engines returns engines that draw with these workers.
func (w *workers) engines(tracer *tracing.Tracer, c Config) *engine.Engines {
	optimize := make([]thumbnail.Format, 0, len(c.Settings.Renderer.Optimizers))
	for _, name := range c.Settings.Renderer.Optimizers {
		optimize = append(optimize, thumbnail.Format(name))
	}
	return engine.New(engine.Config{
		Vips: w.vips, Tools: w.tools, Tracer: tracer, Optimize: optimize, Log: c.Log, Metrics: c.Metrics,
	})
}

// layers returns the layers of the sandbox that confine the workers.
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

// pids returns the process ids of the libvips workers.
func (w *workers) pids() []int {
	if w == nil {
		return nil
	}
	return w.vips.PIDs()
}

// kills counts the killed workers so far, by reason. It leaves out workers that ended because they were idle or were
// recycled.
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

// kill ends all workers, even those that render.
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
		_ = w.cgroups.Close() // best effort: a busy control group does not harm the renders
	}
	return nil
}
