package admission

import (
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/shared/throttle"
)

// What a throttle can decide; labels of a metric.
const (
	admit  = "admit"
	wait   = "wait" // admitted after waiting
	refuse = "refuse"
	shadow = "shadow" // it would have refused or delayed
	exempt = "exempt"
)

func admitted(waited bool) string {
	if waited {
		return wait
	}
	return admit
}

// decision is what one throttle decided about one request.
type decision struct {
	throttle throttle.Name
	what     string
}

// decisions counts what throttles decided: for Prometheus, and for operators' pages.
type decisions struct {
	metric *prometheus.CounterVec
	mu     sync.Mutex
	counts map[string]map[string]int64 // by throttle and decision
}

func newDecisions(all throttle.Table, r prometheus.Registerer) *decisions {
	d := &decisions{
		counts: map[string]map[string]int64{},
		metric: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thumbmill_throttle_decisions_total",
			Help: "Decisions of each throttle: admit, wait (admitted after waiting), refuse, shadow (would have refused or delayed), exempt.",
		}, []string{"throttle", "decision"}),
	}
	r.MustRegister(d.metric)
	for _, t := range all {
		d.metric.WithLabelValues(string(t.Name), refuse) // there before the first one, so that its rate is known
	}
	return d
}

func (d *decisions) count(all ...decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range all {
		name := string(one.throttle)
		d.metric.WithLabelValues(name, one.what).Inc()
		if d.counts[name] == nil {
			d.counts[name] = map[string]int64{}
		}
		d.counts[name][one.what]++
	}
}

// sofar gives a copy of the counts.
func (d *decisions) sofar() map[string]map[string]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]map[string]int64{}
	for name, counts := range d.counts {
		all[name] = maps.Clone(counts)
	}
	return all
}
