package edge

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/dispatch"
	"github.com/thumbmill/thumbmill/edge/internal/failure"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
)

// breaker is what all kinds of circuit breakers tell.
type breaker interface {
	Name() string
	State() gobreaker.State
}

func breakers(stores open.Stores, d *dispatch.Dispatcher, a *admission.Admitter, f *failure.Guarded) []breaker {
	all := []breaker{d.Breaker(), f.Breaker}
	for _, b := range stores.Breakers {
		all = append(all, b)
	}
	for _, b := range a.Breakers() {
		all = append(all, b)
	}
	return all
}

// registerBreakers shows each breaker's state.
func registerBreakers(r prometheus.Registerer, all []breaker) {
	for _, b := range all {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "thumbmill_breaker_state", Help: "State of a circuit breaker: 0 closed, 1 half-open, 2 open.",
			ConstLabels: prometheus.Labels{"name": b.Name()},
		}, func() float64 { return float64(b.State()) }))
	}
}
