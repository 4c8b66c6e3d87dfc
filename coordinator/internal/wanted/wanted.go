// Package wanted tells how many renderers would be right for the work that comes now:
// for an autoscaler, and for people.
//
// The work that is offered, in slots, is the rate of requests that come to the lanes,
// refused ones included, times the time that one keeps a slot busy (Little's law; measured
// as the slots that are busy, over the rate of those that were let in). The right
// fleet is busy for Target of its time, above which waiting grows fast. Both rates are means
// of about a minute. The fleet grows as these do, and shrinks when for five minutes it was
// larger than what a tenth more work would take: no flapping.
package wanted

import (
	"math"
	"sync"
	"time"
)

const (
	// Target is the share of its time that a slot is busy in a fleet of the right size. With many slots in one
	// queue waiting stays near zero up to it, also while a renderer restarts.
	Target = 0.7
	smooth = time.Minute
	hold   = 5 * time.Minute
	// reserve is what a fleet that shrinks must still be able to do.
	reserve = 1.1
	// guess is the time that a render keeps a slot busy, while none was seen.
	guess = 200 * time.Millisecond
	// leastRate is the lowest rate per second that a service time is learnt of.
	leastRate = 0.05
)

// Sample is what is known at one moment.
type Sample struct {
	Granted, Refused int64   // requests, so far
	Busy             float64 // slots, in the mean since the last sample
	Slots, Renderers int     // of those that take jobs
}

// Estimator estimates. Its methods are safe for concurrent use.
type Estimator struct {
	mu               sync.Mutex
	last             Sample
	first, at        time.Time
	granted, refused float64 // per second
	busy             float64
	service          float64  // seconds
	slots            float64  // of one renderer
	recent           []answer // with the reserve, falling
	renderers        int
}

type answer struct {
	at     time.Time
	wanted int
}

// New makes an estimator that knows nothing.
func New() *Estimator { return &Estimator{service: guess.Seconds(), slots: 1, renderers: 1} }

// Note takes a sample. Totals below the last ones are those of a coordinator that is
// asked anew, and say nothing.
func (e *Estimator) Note(now time.Time, s Sample) {
	e.mu.Lock()
	defer e.mu.Unlock()
	took := now.Sub(e.at).Seconds()
	before, first := e.last, e.at.IsZero()
	if first {
		e.first = now
	}
	e.last, e.at = s, now
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
	if e.granted > leastRate && s.Busy > 0 && s.Renderers > 0 { // else renders have stopped, and what they took is as it was
		e.service = e.busy / e.granted
	}
	e.keep(now, s.Renderers)
}

// keep answers anew. The means began at nothing, and are corrected for that; until they are
// of a minute, no fewer renderers are wanted than there are.
func (e *Estimator) keep(now time.Time, living int) {
	known := 1 - math.Exp(-now.Sub(e.first).Seconds()/smooth.Seconds())
	exact := (e.granted + e.refused) / known * e.service / (Target * max(e.slots, 1))
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

// Renderers is how many would be right; 1 while nothing is known.
func (e *Estimator) Renderers() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.renderers
}
