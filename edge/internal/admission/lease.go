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

// Outcome is the end of the render of a lease. If the thumbnail is not stored and Fault is not a
// fault of the original, another flight must try.
type Outcome struct {
	Stored bool
	Fault  *fault.Fault
	CPU    time.Duration // processor time of the render, also of a failed one
}

// encode returns the outcome for flights of other edges that wait for the thumbnail, and the
// fault as JSON if there is one to remember. A fault of more than lease.MaxPayload bytes counts
// as Vanished.
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
	// Release gives all places back. Only the first call counts. Flights of other edges that
	// wait for the thumbnail then read it from the store, or get the fault. With another
	// outcome, the coordinator lets one of those flights try.
	Release(o Outcome)
	// LeaveLane gives the lane's place back, and keeps all others. A daemon of PoolCounter's protocol
	// keeps the lane's place until Release.
	LeaveLane()
}

// leases counts the leases that an edge holds, and ends leases that nobody releases.
type leases struct {
	held    prometheus.Gauge
	longest time.Duration // a leaked lease must not hold its places for ever
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
	leave   sync.Once
	end     func(Outcome)
	narrow  func() // gives the lane's place back; nil: it stays
	gauge   prometheus.Gauge
	expired *time.Timer
}

// open returns a lease. end releases it at the coordinator, and narrow gives its lane's place back; nil
// means that the lease cannot give it back alone.
func (l *leases) open(end func(Outcome), narrow func()) Lease {
	one := &held{end: end, narrow: narrow, gauge: l.held}
	one.gauge.Inc()
	one.expired = time.AfterFunc(l.longest, func() {
		l.log.Error("release a lease that nobody released", "after", l.longest)
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

func (h *held) LeaveLane() {
	if h.narrow != nil {
		h.leave.Do(h.narrow)
	}
}
