package intake

import (
	"context"
	"sync"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// room counts the jobs in hand: at most slots + ahead beside the slow jobs, and at most its cap for each lane. The
// cap of the lane bulk alone bounds slow jobs, which take no slot.
// Lanes look for work one at a time; otherwise all lanes would pull for the same free slot. Among
// the waiting lanes, the lane whose last job is the oldest comes first.
type room struct {
	mu      sync.Mutex
	slots   int
	ahead   int
	total   int
	inHand  int // without slow jobs
	slow    int // slow jobs in hand
	paused  bool
	caps    map[renderjob.Lane]int
	byLane  map[renderjob.Lane]int
	looking bool
	waiting map[renderjob.Lane]bool // lanes that wait to look for work
	served  map[renderjob.Lane]int  // the value of jobs when the lane's last job came in
	jobs    int                     // the jobs that came in so far
	changed chan struct{}           // closed and replaced whenever another lane may have its turn

	storing   int            // jobs that only store; not in inHand and slow
	stored    int64          // bytes of their pictures
	aside     map[string]int // jobs that wait for bytes of their original, by origin; not in inHand and slow
	allAside  int            // all jobs in aside
	returning map[kind]int   // jobs aside whose bytes are there, and that wait for room
}

// kind describes a job to the room.
type kind struct {
	lane renderjob.Lane
	slow bool // renderjob.Job.Slow
}

func newRoom(slots, ahead int) *room {
	r := &room{ahead: ahead, byLane: map[renderjob.Lane]int{}, waiting: map[renderjob.Lane]bool{}, served: map[renderjob.Lane]int{}, changed: make(chan struct{}), aside: map[string]int{}, returning: map[kind]int{}}
	r.resize(slots)
	return r
}

// resize changes the number of slots. Jobs in hand stay in hand.
func (r *room) resize(slots int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slots == r.slots {
		return
	}
	r.slots, r.total, r.caps = slots, slots+r.ahead, map[renderjob.Lane]int{}
	for _, lane := range renderjob.Lanes() {
		r.caps[lane] = lanes.Slots(lane, slots)
		if lane == renderjob.LaneStandard {
			r.caps[lane] += r.ahead
		}
	}
	r.wake()
}

// pause stops letting jobs in if paused is true, and resumes otherwise.
func (r *room) pause(paused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = paused
	r.wake()
}

// wake tells all waiting lanes to check for room again.
func (r *room) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// hasAny reports whether the room has a place for any job of a lane, whose next job may be slow or not.
func (r *room) hasAny(lane renderjob.Lane) bool { return r.has(kind{lane: lane}) }

// has reports whether the room has a place for a job that is not aside. The caller holds mu.
func (r *room) has(k kind) bool {
	here, all := r.hasReturning(k.lane) // jobs that return go before jobs that are not pulled yet
	return !r.paused && (k.slow || r.inHand+all < r.total) && r.byLane[k.lane]+here < r.caps[k.lane]
}

// add counts a job by its kind, or uncounts it with by = -1. The caller holds mu.
func (r *room) add(k kind, by int) {
	if k.slow {
		r.slow += by
	} else {
		r.inHand += by
	}
	r.byLane[k.lane] += by
}

// turn returns nil once the lane has room and may look for work; the caller must end the turn with
// done. It returns an error if ctx ends.
func (r *room) turn(ctx context.Context, lane renderjob.Lane) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[lane] = true
	defer delete(r.waiting, lane)
	for !r.isFirst(lane) {
		changed := r.changed
		r.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		r.mu.Lock()
		if ctx.Err() != nil {
			r.wake() // other lanes no longer wait for this lane
			return ctx.Err()
		}
	}
	r.looking = true
	return nil
}

func (r *room) isFirst(lane renderjob.Lane) bool {
	if r.looking || !r.hasAny(lane) {
		return false
	}
	for other := range r.waiting {
		if r.served[other] < r.served[lane] && r.hasAny(other) {
			return false
		}
	}
	return true
}

// isContested reports whether other lanes wait for room.
func (r *room) isContested() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting) > 0
}

func (r *room) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looking = false
	r.wake()
}

func (r *room) enter(k kind) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.has(k) {
		return false
	}
	r.add(k, 1)
	r.jobs++
	r.served[k.lane] = r.jobs
	return true
}

func (r *room) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inHand + r.slow + r.allAside + r.storing
}
