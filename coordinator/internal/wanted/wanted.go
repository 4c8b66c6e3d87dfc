// Package wanted estimates the right number of renderers for the current requests, for an autoscaler
// and for people.
//
// The offered work, in slots, is the rate of requests to the lanes, refused ones included, times the
// time for which one request keeps a slot busy. By Little's law, that time is the number of busy slots
// over the rate of admitted requests. A slow render, which is drawn beside the slots on the same
// processors, counts as a busy slot. The slots of the right fleet are busy for Target of their time:
// above it, waits grow fast. Both rates are means over about a minute. The wanted number rises with the
// rates. It falls only to the number that the highest load of the last five minutes plus a tenth
// needed, so it does not flap.
//
// One client is no reason to add renderers: the work that a client offers counts up to its fair share,
// which is a quarter of the work of a fleet of the right size. This bounds no client that per-ip does
// not limit.
package wanted

import (
	"math"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/demand"
)

const (
	// Target is the share of its time for which a slot is busy in a fleet of the right size. With many
	// slots on one queue, waits stay near zero up to this share, also while a renderer restarts.
	Target = 0.7
	smooth = demand.Smooth
	// FairShare is the largest share of the fleet's work that one client counts for.
	FairShare = 0.25
	hold      = 5 * time.Minute
	// reserve is the load that a shrinking fleet must still carry, as a multiple of the current load.
	reserve = 1.1
	// guess is the time for which a render keeps a slot busy, before the first measurement.
	guess = 200 * time.Millisecond
	// leastRate is the lowest rate per second from which the estimator learns a service time.
	leastRate = 0.05
)

// Sample is the state at one moment.
type Sample struct {
	Granted, Refused int64   // total requests so far
	Busy             float64 // mean number of renders since the last sample, with slow ones beside the slots
	Slots, Renderers int     // of the renderers that take jobs
	// Clients are the loads of the clients that count up to their fair share.
	Clients []demand.Load
}

// Estimator estimates the right number of renderers. Its methods are safe for concurrent use.
type Estimator struct {
	mu               sync.Mutex
	last             Sample
	first, at        time.Time
	granted, refused float64 // per second
	busy             float64
	service          float64  // seconds
	slots            float64  // of one renderer
	recent           []answer // estimates with the reserve, falling
	clients          []demand.Load
	total            float64 // slots that all the offered work fills
	offered, excess  float64 // slot seconds so far: of all the offered work, and of single clients beyond their fair share
	renderers        int
}

type answer struct {
	at     time.Time
	wanted int
}

// New makes an estimator without samples.
func New() *Estimator { return &Estimator{service: guess.Seconds(), slots: 1, renderers: 1} }

// Note takes a sample. Totals below the last ones come from a coordinator that started anew; Note
// ignores the step.
func (e *Estimator) Note(now time.Time, s Sample) {
	e.mu.Lock()
	defer e.mu.Unlock()
	took := now.Sub(e.at).Seconds()
	before, first := e.last, e.at.IsZero()
	if first {
		e.first = now
	}
	e.last, e.at, e.clients = s, now, s.Clients
	if s.Renderers > 0 {
		e.slots = float64(s.Slots) / float64(s.Renderers)
	}
	if first || took <= 0 || s.Granted < before.Granted || s.Refused < before.Refused {
		return
	}
	weight := 1 - math.Exp(-took/smooth.Seconds())
	e.granted += weight * (float64(s.Granted-before.Granted)/took - e.granted)
	e.refused += weight * (float64(s.Refused-before.Refused)/took - e.refused)
	if s.Renderers > 0 && s.Busy > 0 || s.Granted == before.Granted {
		e.busy += weight * (s.Busy - e.busy)
	}
	if e.granted > leastRate && s.Busy > 0 && s.Renderers > 0 { // otherwise renders have stopped, and the service time stays
		e.service = e.busy / e.granted
	}
	e.keep(now, took, s.Renderers)
}

// keep computes the estimate. The means started at zero, and keep corrects them for that. In the first
// minute the estimate is at least the number of living renderers.
func (e *Estimator) keep(now time.Time, took float64, living int) {
	known := 1 - math.Exp(-now.Sub(e.first).Seconds()/smooth.Seconds())
	fair := FairShare * Target * max(float64(e.last.Slots), e.slots, 1)
	e.total = (e.granted + e.refused) / known * e.service
	beyond := e.beyond(fair, known)
	e.offered += e.total * took
	e.excess += beyond * took
	exact := (e.total - beyond) / (Target * max(e.slots, 1))
	if now.Sub(e.first) < smooth {
		exact = max(exact, float64(living)/reserve)
		e.renderers = max(e.renderers, living)
	}
	wanted := max(1, int(math.Ceil(exact*reserve)))
	for len(e.recent) > 0 && now.Sub(e.recent[0].at) > hold {
		e.recent = e.recent[1:]
	}
	for len(e.recent) > 0 && e.recent[len(e.recent)-1].wanted <= wanted {
		e.recent = e.recent[:len(e.recent)-1]
	}
	e.recent = append(e.recent, answer{now, wanted})
	e.renderers = max(1, int(math.Ceil(exact)), min(e.renderers, e.recent[0].wanted))
}

// beyond returns the slots that single clients ask beyond their fair share.
func (e *Estimator) beyond(fair, known float64) (beyond float64) {
	for _, c := range e.clients {
		beyond += max(0, c.Work*e.granted/known*e.service+c.Refused*e.service-fair)
	}
	return min(beyond, e.total)
}

// Offered returns the work that was offered so far, in slot seconds, and its part that single clients
// offered beyond their fair share.
func (e *Estimator) Offered() (all, beyond float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.offered, e.excess
}

// Renderers returns the right number of renderers; 1 without samples.
func (e *Estimator) Renderers() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.renderers
}
