package intake

import (
	"context"
	"sync"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// room counts the jobs in hand: at most slots + ahead in all, and at most its cap for each lane.
// Lanes look for work one at a time; otherwise all lanes would pull for the same free slot. Among
// the waiting lanes, the lane whose last job is the oldest comes first.
type room struct {
	mu      sync.Mutex
	slots   int
	ahead   int
	total   int
	inHand  int
	paused  bool
	caps    map[renderjob.Lane]int
	byLane  map[renderjob.Lane]int
	looking bool
	waiting map[renderjob.Lane]bool // lanes that wait to look for work
	served  map[renderjob.Lane]int  // the value of jobs when the lane's last job came in
	jobs    int                     // the jobs that came in so far
	changed chan struct{}           // closed and replaced whenever another lane may have its turn

	aside     map[string]int         // jobs that wait for bytes of their original, by origin; not in inHand
	allAside  int                    // all jobs in aside
	returning map[renderjob.Lane]int // jobs aside whose bytes are there, and that wait for room
}

func newRoom(slots, ahead int) *room {
	r := &room{ahead: ahead, byLane: map[renderjob.Lane]int{}, waiting: map[renderjob.Lane]bool{}, served: map[renderjob.Lane]int{}, changed: make(chan struct{}), aside: map[string]int{}, returning: map[renderjob.Lane]int{}}
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

func (r *room) has(lane renderjob.Lane) bool {
	here, all := r.hasReturning(lane) // jobs that return go before jobs that are not pulled yet
	return !r.paused && r.inHand+all < r.total && r.byLane[lane]+here < r.caps[lane]
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
	if r.looking || !r.has(lane) {
		return false
	}
	for other := range r.waiting {
		if r.served[other] < r.served[lane] && r.has(other) {
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

func (r *room) enter(lane renderjob.Lane) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.has(lane) {
		return false
	}
	r.inHand++
	r.byLane[lane]++
	r.jobs++
	r.served[lane] = r.jobs
	return true
}

func (r *room) leave(lane renderjob.Lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inHand--
	r.byLane[lane]--
	r.wake()
}

func (r *room) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inHand + r.allAside
}
