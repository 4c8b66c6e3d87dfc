package admission

import (
	"errors"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// fullPart is the part of throttle.queue_wait for which an edge trusts a refusal by a full lane. The lane's line is five
// times as long (lanes.Pace), so that renderers do not run out of work meanwhile.
const fullPart = 10

// full knows which lanes have no room in their queue. The edge counts its own flights in each lane; a refusal by the
// coordinator shows how many fit beside the flights of other edges. For each that leaves, one more may ask, and all
// others are refused at once. Twice within the trusted time, one asks all the same, because flights of other edges leave
// too.
type full struct {
	trusted time.Duration // after a refusal

	mu    sync.Mutex
	lanes map[renderjob.Lane]*fullness
}

type fullness struct {
	own     int // flights of this edge that hold a place of the lane, or ask for one
	passing Passing
	latest  time.Time // refusal by the coordinator
	beyond  int       // own flights that fit, less the length of the queue, which changes
	tried   time.Time // when a flight last asked all the same
}

func newFull(queueWait time.Duration) *full {
	return &full{trusted: queueWait / fullPart, lanes: map[renderjob.Lane]*fullness{}}
}

// in calls do with a lane's fullness.
func (f *full) in(lane renderjob.Lane, do func(*fullness)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lanes[lane] == nil {
		f.lanes[lane] = &fullness{}
	}
	do(f.lanes[lane])
}

// enter counts a flight that asks for a place of a queue with room for most flights. The result takes it out again; only
// the first call counts.
func (f *full) enter(lane renderjob.Lane, most int) (leave func()) {
	f.in(lane, func(l *fullness) {
		l.passing.Arrive()
		l.own++
		l.beyond = max(l.beyond, l.own-most) // until the coordinator refuses it
	})
	return sync.OnceFunc(func() { f.in(lane, func(l *fullness) { l.own-- }) })
}

// note notes that the coordinator refused a flight, which has left, because the queue was full.
func (f *full) note(lane renderjob.Lane, most int) {
	f.in(lane, func(l *fullness) { l.latest, l.beyond = time.Now(), l.own-most })
}

// passes reports whether one more flight may ask for a place. If asks, it does so next.
func (f *full) passes(lane renderjob.Lane, most int, asks bool) (may bool) {
	f.in(lane, func(l *fullness) {
		now := time.Now()
		if now.Sub(l.latest) >= f.trusted {
			may = true
			return
		}
		room := l.own+l.passing.Count() < most+l.beyond
		tries := now.Sub(l.latest) >= f.trusted/2 && now.Sub(l.tried) >= f.trusted/2
		if may = room || tries; !may || !asks {
			return
		}
		l.passing.Add()
		if !room {
			l.tried = now
		}
	})
	return may
}

// RefuseFull refuses a flight whose lane is full, before anything else is asked for it: under ten times the capacity,
// refusals must not take the time of renders. It returns nil for a flight that may ask. If asks, the flight does so next.
func (a *Admitter) RefuseFull(r Request, asks bool) error {
	limits, lane := a.limits(), r.Flight.Lane
	if r.Flight.Rides || a.full.passes(lane, limits.Lane(lane).MaxQueue, asks) {
		return nil
	}
	needs := a.config.Throttles.Needs(r.Flight, limits)
	for i, n := range needs {
		if n.Throttle.Name == throttle.Lane {
			needs[0], needs[i] = n, needs[0] // the first one refuses
		}
	}
	a.CountRefusal(throttle.Lane)
	a.coordinators.TurnAway(a.native.request(r, needs), lease.Full)
	return needs[0].Refuse(throttle.Full, a.config.Throttle.QueueWait)
}

// isFull reports whether a coordinator refused because the lane's queue was full.
func isFull(err error) bool {
	return fault.Is(err, fault.LaneFull) && !errors.Is(err, throttle.ErrWaited)
}
