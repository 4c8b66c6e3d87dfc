package coordinator

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/demand"
	"github.com/thumbmill/thumbmill/coordinator/internal/gate"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/coordinator/internal/requests"
	"github.com/thumbmill/thumbmill/coordinator/internal/wanted"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// observer receives the measurements of the table.
type observer struct {
	activity *activity.Activity
	demand   *demand.Book
	requests *requests.Book
	waits    *prometheus.HistogramVec
	byClass  map[throttle.Name]prometheus.Observer
}

func newObserver() observer {
	o := observer{
		activity: activity.New(), demand: demand.New(), requests: requests.New(), byClass: map[throttle.Name]prometheus.Observer{},
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "thumbmill_pool_wait_seconds", Help: "Time from a request for a place to its grant, by class of pool.",
			Buckets: []float64{0, .001, .01, .05, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60},
		}, []string{"class"}),
	}
	for _, class := range throttle.All().PoolNames() {
		o.byClass[class] = o.waits.WithLabelValues(string(class))
	}
	return o
}

// Waited implements pools.Observer.
func (o observer) Waited(class throttle.Name, d time.Duration) {
	o.byClass[class].Observe(d.Seconds())
}

// Refused implements pools.Observer.
func (o observer) Refused(key, by string) { o.activity.Refused(key, by) }

// Worked implements pools.Observer.
func (o observer) Worked(client string, limited bool, held time.Duration) {
	o.demand.Worked(client, limited, held)
}

// Spent implements pools.Observer.
func (o observer) Spent(client, original string, took time.Duration) {
	o.demand.Spent(client, took)
	o.activity.Spent(original, took)
}

// Turned implements pools.Observer.
func (o observer) Turned(client string, by throttle.Name) { o.demand.Turned(client, by) }

// Ended implements pools.Observer.
func (o observer) Ended(e pools.Ended) { o.requests.Note(e) }

// tableMetrics reads the table for each scrape.
type tableMetrics struct {
	table *pools.Table
	gate  *gate.Gate
}

// wantedMetrics are the estimator's number, and the work that it comes from.
func wantedMetrics(e *wanted.Estimator) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "thumbmill_renderers_wanted",
			Help: "Number of renderers of the fleet's mean size that the requests of the last minutes keep busy for 0.7 of their time; one client counts for at most a quarter of the fleet.",
		}, func() float64 { return float64(e.Renderers()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "thumbmill_demand_seconds_total", Help: "Time of slots that requests asked for, those that lanes refused included.",
		}, func() float64 { all, _ := e.Offered(); return all }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "thumbmill_demand_beyond_seconds_total", Help: "Part of thumbmill_demand_seconds_total that single clients asked for beyond a quarter of the fleet.",
		}, func() float64 { _, beyond := e.Offered(); return beyond }),
	}
}

// metric is one of a table's values.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue}
}

func (m metric) with(value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
}

// Describe sends nothing, so the registry does not check the collector: only Collect names its metrics.
func (tableMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect reads the table.
func (m tableMetrics) Collect(out chan<- prometheus.Metric) {
	counts, classes, _ := m.table.Counts()
	holders := gauge("thumbmill_pool_holders", "Places held now, by class of pool.", "class")
	waiters := gauge("thumbmill_pool_waiters", "Places that requests wait for now, by class of pool.", "class")
	refusals := counter("thumbmill_pool_refusals_total", "Requests that a pool refused, because its queue was full or the wait ended.", "class", "reason")
	near := counter("thumbmill_throttle_near_limit_total", "Requests that found their pool at more than 0.8 of its limit.", "class")
	shadow := counter("thumbmill_throttle_shadowed_total", "Requests that shadow mode let through although their pool had no room.", "class")
	for _, name := range throttle.All().PoolNames() {
		class, label := classes[name], string(name)
		out <- holders.with(float64(class.Holders), label)
		out <- waiters.with(float64(class.Waiters), label)
		out <- refusals.with(float64(class.Full), label, "full")
		out <- refusals.with(float64(class.TimedOut), label, "timeout")
		out <- near.with(float64(class.NearLimit), label)
		out <- shadow.with(float64(class.Shadowed), label)
	}
	out <- gauge("thumbmill_coordinator_clients", "Client connections now.").with(float64(m.gate.Connections()))
	out <- gauge("thumbmill_coordinator_differing_rules", "Rules whose limits differ between edges; the lowest limit is in force.").with(float64(counts.Differing))
	out <- counter("thumbmill_coordinator_claims_total", "Leases that edges brought from a lost connection or another coordinator.").with(float64(counts.Claimed))
	out <- counter("thumbmill_coordinator_vanished_total", "Leases of lost connections that nobody claimed in time.").with(float64(counts.Vanished))
}
