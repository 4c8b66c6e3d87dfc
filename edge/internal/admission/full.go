package admission

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// fullFor is the time for which a lane whose queue was full refuses new flights at once. Its line stays long enough
// meanwhile: a place of the line becomes free each time that a render ends.
const fullFor = 20 * time.Millisecond

// full remembers the latest refusal of each lane whose queue was full.
type full struct {
	mu     sync.Mutex
	latest map[renderjob.Lane]time.Time
}

func (f *full) note(lane renderjob.Lane) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.latest == nil {
		f.latest = map[renderjob.Lane]time.Time{}
	}
	f.latest[lane] = time.Now()
}

func (f *full) is(lane renderjob.Lane) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Since(f.latest[lane]) < fullFor
}

// RefuseFull refuses a flight whose lane was full a moment ago, before anything else is asked for it: under ten times
// the capacity, refusals must not take the time of renders. It returns nil for a lane that had room.
func (a *Admitter) RefuseFull(r Request) error {
	if !a.full.is(r.Flight.Lane) {
		return nil
	}
	needs := a.config.Throttles.Needs(r.Flight, a.limits())
	at := slices.IndexFunc(needs, func(n throttle.Need) bool { return n.Throttle.Name == throttle.Lane })
	if at < 0 {
		return nil
	}
	a.CountRefusal(throttle.Lane)
	needs[0], needs[at] = needs[at], needs[0] // the first one refuses
	a.coordinators.TurnAway(a.native.request(r, needs), lease.Full)
	return needs[0].Refuse(throttle.Full, a.config.Throttle.QueueWait)
}

// noteFull notes an answer of the coordinator.
func (a *Admitter) noteFull(lane renderjob.Lane, err error) {
	if fault.Is(err, fault.LaneFull) && !errors.Is(err, throttle.ErrWaited) {
		a.full.note(lane)
	}
}
