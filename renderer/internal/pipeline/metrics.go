package pipeline

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

type metrics struct {
	jobs   *prometheus.CounterVec
	render *prometheus.HistogramVec
	cpu    *prometheus.CounterVec
	steps  *prometheus.HistogramVec

	batch    prometheus.Histogram
	siblings *prometheus.CounterVec
	bucket   *prometheus.CounterVec
}

func newMetrics() metrics {
	return metrics{
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thumbmill_jobs_total", Help: "Answered jobs, by lane and outcome (ok or the fault).",
		}, []string{"lane", "outcome"}),
		render: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "thumbmill_render_seconds", Help: "Time of renders in a worker, by lane, engine and type of the original; for failed renders the engine is \"none\".",
			Buckets: []float64{.01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 30, 60},
		}, []string{"lane", "engine", "type"}),
		cpu: newCPU(),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "thumbmill_batch_jobs", Help: "Sizes of batches: the jobs of one original that a renderer did together, 2 or more.", Buckets: []float64{2, 3, 4, 6, 8, 12, 16},
		}),
		siblings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thumbmill_siblings_total", Help: "Jobs that a renderer did with another job of the same original, by outcome (ok, the fault, or released to run alone).",
		}, []string{"outcome"}),
		bucket: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thumbmill_buckets_total",
			Help: "Buckets that a renderer looked for or made, by outcome: used, absent, made, narrow (the page is small), failed (the renderer draws from the original), unstored.",
		}, []string{"outcome"}),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "thumbmill_step_seconds", Help: "Time of each step of a request.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60},
		}, []string{"step"}),
	}
}

func (m metrics) register(r prometheus.Registerer, slots int, busy, slow func() int) {
	total := prometheus.NewGauge(prometheus.GaugeOpts{Name: "thumbmill_renderer_slots", Help: "Renders that can run at once, without slow ones."})
	total.Set(float64(slots))
	r.MustRegister(m.bucket, m.jobs, m.render, m.cpu, m.steps, m.batch, m.siblings, total,
		gauge("thumbmill_renderer_slots_busy", "Renders that run now in slots.", busy),
		gauge("thumbmill_renderer_slow_renders", "Slow renders that run now, beside the slots.", slow))
}

func gauge(name, help string, value func() int) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
}

// failed is the engine label of failed renders.
const failed = "none"

// rendered counts a render. A traced render becomes an exemplar of the histogram.
func (m metrics) rendered(lane renderjob.Lane, engine string, original thumbnail.Type, took time.Duration, trace string) {
	seconds := m.render.WithLabelValues(string(lane), engine, string(original))
	if trace == "" {
		seconds.Observe(took.Seconds())
		return
	}
	seconds.(prometheus.ExemplarObserver).ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": trace})
}

func (m metrics) step(name string, began time.Time) {
	m.steps.WithLabelValues(name).Observe(time.Since(began).Seconds())
}

// The outcomes of renders in the metric of processor time.
const (
	cpuOK     = "ok"
	cpuFailed = "failed" // the render failed, or its worker was killed
)

// newCPU counts each outcome from the start, so that its rate is known at the first render.
func newCPU() *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_render_cpu_seconds_total", Help: "Processor time of renders in all workers, by outcome: ok, or failed (killed workers included).",
	}, []string{"outcome"})
	c.WithLabelValues(cpuOK)
	c.WithLabelValues(cpuFailed)
	return c
}

// spent counts the processor time of a render.
func (m metrics) spent(took time.Duration, err error) {
	outcome := cpuOK
	if err != nil {
		outcome = cpuFailed
	}
	m.cpu.WithLabelValues(outcome).Add(took.Seconds())
}
