package edge

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
)

// breaker is the interface of every kind of circuit breaker: a name and a state.
type breaker = admission.Breaker

func storeBreakers(stores open.Stores) (all []breaker) {
	for _, b := range stores.Breakers {
		all = append(all, b)
	}
	return all
}

// allBreakers returns the circuit breakers of the stores, memcached, NATS and the coordinators.
func (e *Edge) allBreakers() []breaker { return append(e.breakers, e.admitter.Breakers()...) }

// registerBreakers registers a gauge for each breaker's state.
func registerBreakers(r prometheus.Registerer, all []breaker) {
	for _, b := range all {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "thumbmill_breaker_state", Help: "State of a circuit breaker: 0 closed, 1 half-open, 2 open.",
			ConstLabels: prometheus.Labels{"name": b.Name()},
		}, func() float64 { return float64(b.State()) }))
	}
}
