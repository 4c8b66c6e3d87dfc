package admission

import (
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/shared/throttle"
)

// The decisions of a throttle: values of a label of thumbmill_throttle_decisions_total.
const (
	admit  = "admit"
	wait   = "wait" // admitted after waiting
	refuse = "refuse"
	shadow = "shadow" // admitted by a throttle in shadow mode that would have refused or delayed
	exempt = "exempt" // not counted
)

func admitted(waited bool) string {
	if waited {
		return wait
	}
	return admit
}

// decision is the decision of one throttle about one request.
type decision struct {
	throttle throttle.Name
	what     string
}

// decisions counts the decisions of all throttles, for Prometheus and for the operators' page.
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
		d.metric.WithLabelValues(string(t.Name), refuse) // a series that starts with 0 shows the first refusal as an increase
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

// sofar returns a copy of the counts, by throttle and decision.
func (d *decisions) sofar() map[string]map[string]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]map[string]int64{}
	for name, counts := range d.counts {
		all[name] = maps.Clone(counts)
	}
	return all
}
