package obtain

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Times are the durations of a request's steps, in the order of their ends.
type Times []Step

// Step is one step's duration.
type Step struct {
	Name  string
	Took  time.Duration
	Ended time.Time // zero for steps that a renderer measured
}

func (t *Times) add(name string, began time.Time, m metrics) {
	now := time.Now()
	took := now.Sub(began)
	*t = append(*t, Step{name, took, now})
	m.steps.WithLabelValues(name).Observe(took.Seconds())
}

func (t Times) plus(more Times) Times {
	return append(append(Times{}, t...), more...)
}

// ServerTiming returns the value of the header Server-Timing.
func (t Times) ServerTiming() string {
	parts := make([]string, len(t))
	for i, s := range t {
		parts[i] = s.ServerTiming()
	}
	return strings.Join(parts, ", ")
}

// ServerTiming returns one step of the header, in milliseconds.
func (s Step) ServerTiming() string {
	return s.Name + ";dur=" + strconv.FormatFloat(float64(s.Took.Microseconds())/1000, 'f', 1, 64)
}

type metrics struct {
	steps        *prometheus.HistogramVec
	unremembered prometheus.Counter
	offered      *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, counts func() (flights, waiters int)) metrics {
	m := metrics{
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "thumbmill_step_seconds", Help: "Time of each step of a request.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60},
		}, []string{"step"}),
		unremembered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "thumbmill_failure_memory_errors_total", Help: "Reads and writes that the failure memory did not answer; requests passed.",
		}),
	}
	m.offered = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_renders_offered_total",
		Help: "Renders that were admitted, or refused because their lane was full; by the type in the original's name.",
	}, []string{"type"})
	flights := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "thumbmill_flights", Help: "Flights under way on this edge."},
		func() float64 { n, _ := counts(); return float64(n) })
	waiters := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "thumbmill_flight_waiters", Help: "Requests that wait for a flight on this edge."},
		func() float64 { _, n := counts(); return float64(n) })
	r.MustRegister(m.steps, m.unremembered, m.offered, flights, waiters)
	return m
}
