package admission

import (
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
)

// Outcome is how the render of a lease ended. Neither stored nor a fault of the
// original: somebody else has to try.
type Outcome struct {
	Stored bool
	Fault  *fault.Fault
}

// encode is what those who wait for the thumbnail elsewhere are told.
func (o Outcome) encode() (lease.Outcome, string) {
	switch {
	case o.Stored:
		return lease.Stored, ""
	case o.Fault != nil && o.Fault.Kind.Traits().Remember != fault.ScopeNone:
		if text, err := json.Marshal(o.Fault); err == nil && len(text) <= lease.MaxPayload {
			return lease.Faulty, string(text)
		}
	}
	return lease.Vanished, ""
}

// Lease is the right of one flight to render.
type Lease interface {
	// Release gives everything back; only the first call counts. Those who wait for the
	// thumbnail elsewhere find it in the store when it was stored, or hear of the fault;
	// otherwise one of them is let in to try.
	Release(o Outcome)
}

// leases are those that an edge holds.
type leases struct {
	held    prometheus.Gauge
	longest time.Duration // what was forgotten must not hold its places for ever
	log     *slog.Logger
}

func newLeases(longest time.Duration, log *slog.Logger, r prometheus.Registerer) *leases {
	l := &leases{
		held:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "thumbmill_leases", Help: "Leases that this edge holds now."}),
		longest: longest, log: log,
	}
	r.MustRegister(l.held)
	return l
}

type held struct {
	once    sync.Once
	end     func(Outcome)
	gauge   prometheus.Gauge
	expired *time.Timer
}

// open makes a lease of what ends it at the coordinator.
func (l *leases) open(end func(Outcome)) Lease {
	one := &held{end: end, gauge: l.held}
	one.gauge.Inc()
	one.expired = time.AfterFunc(l.longest, func() {
		l.log.Error("end a lease that was never released", "after", l.longest)
		one.Release(Outcome{})
	})
	return one
}

func (h *held) Release(o Outcome) {
	h.once.Do(func() {
		h.expired.Stop()
		h.end(o)
		h.gauge.Dec()
	})
}
