package web

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	failures *prometheus.CounterVec
	keys     *prometheus.CounterVec
	steps    *steps
	known    *known
}

// known has the counters of endings. Grammars and outcomes are few, so it is bounded.
type known struct {
	mu       sync.RWMutex
	byEnding map[ending]counted
}

func (k *known) of(e ending) (counted, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	c, ok := k.byEnding[e]
	return c, ok
}

func (k *known) add(e ending, c counted) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byEnding[e] = c
}

// all returns the endings' counters of requests.
func (k *known) all() map[ending]counted {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return maps.Clone(k.byEnding)
}

type ending struct{ grammar, outcome string }

type counted struct {
	requests prometheus.Counter
	seconds  prometheus.Observer
}

// observe counts a request at its end.
func (m metrics) observe(grammar, outcome string, took time.Duration, trace string) {
	c, ok := m.known.of(ending{grammar, outcome})
	if !ok {
		c = counted{m.requests.WithLabelValues(grammar, outcome), m.seconds.WithLabelValues(outcome)}
		m.known.add(ending{grammar, outcome}, c)
	}
	c.requests.Inc()
	if trace == "" {
		c.seconds.Observe(took.Seconds())
		return
	}
	c.seconds.(prometheus.ExemplarObserver).ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": trace})
}

// signed counts a request that a key of a grammar signed; "" means no key.
func (m metrics) signed(grammar, key string) {
	if key != "" {
		m.keys.WithLabelValues(grammar, key).Inc()
	}
}

// Requests returns the number of answers by outcome.
func (h *Handler) Requests() map[string]int64 {
	all := map[string]int64{}
	for end, counted := range h.metrics.known.all() {
		var m dto.Metric
		if counted.requests.Write(&m) == nil {
			all[end.outcome] += int64(m.GetCounter().GetValue())
		}
	}
	return all
}

// Times returns the number of answers by time, as lease.Status has them, of the outcomes that say how
// fast the cluster is.
func (h *Handler) Times() map[string][]int64 {
	all := map[string][]int64{}
	for _, outcome := range []string{string(obtain.Hit), string(obtain.Rendered)} {
		var m dto.Metric
		if h.metrics.seconds.WithLabelValues(outcome).(prometheus.Metric).Write(&m) != nil {
			continue
		}
		var counts []int64
		before := uint64(0)
		for _, bin := range m.GetHistogram().GetBucket() {
			counts = append(counts, int64(bin.GetCumulativeCount()-before)) //nolint:gosec // far below the bound
			before = bin.GetCumulativeCount()
		}
		all[outcome] = append(counts, int64(m.GetHistogram().GetSampleCount()-before)) //nolint:gosec // as above
	}
	return all
}

// signer is a key of a grammar. Keys of several grammars may have the same name.
type signer struct{ grammar, key string }

// newMetrics makes the metrics, with a 0 for each of the keys.
func newMetrics(r prometheus.Registerer, keys []signer) metrics {
	m := metrics{
		known: &known{byEnding: map[ending]counted{}}, steps: &steps{all: map[string]time.Duration{}},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thumbmill_edge_requests_total", Help: "Requests by grammar of the URL and outcome (hit, rendered, or the kind of fault).",
		}, []string{"grammar", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "thumbmill_edge_request_seconds", Help: "Time from a request to the end of its answer, by outcome.",
			Buckets: lease.TimeBounds(),
		}, []string{"outcome"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thumbmill_failures_total", Help: "Answers without a thumbnail, by kind of fault.",
		}, []string{"fault"}),
		keys: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thumbmill_edge_signed_requests_total", Help: "Requests with a valid signature, by grammar of the URL and by the name of the key that made it. A key without requests can be removed.",
		}, []string{"grammar", "key"}),
	}
	r.MustRegister(m.requests, m.seconds, m.failures, m.keys)
	for _, k := range keys {
		m.keys.WithLabelValues(k.grammar, k.key)
	}
	m.requests.WithLabelValues(grammar.None, string(fault.Internal)) // exports 0 before the first error, so that queries can compute a share
	return m
}
