package intake

import (
	"context"
	"sync"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// room counts the jobs in hand: at most slots + ahead in all, and for each lane
// at most its cap.
type room struct {
	mu      sync.Mutex
	slots   int
	ahead   int
	total   int
	inHand  int
	paused  bool
	caps    map[renderjob.Lane]int
	byLane  map[renderjob.Lane]int
	changed chan struct{} // closed and replaced whenever a job leaves
}

func newRoom(slots, ahead int) *room {
	r := &room{ahead: ahead, byLane: map[renderjob.Lane]int{}, changed: make(chan struct{})}
	r.resize(slots)
	return r
}

// resize changes the number of slots. What is in hand stays in hand.
func (r *room) resize(slots int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slots == r.slots {
		return
	}
	r.slots, r.total, r.caps = slots, slots+r.ahead, map[renderjob.Lane]int{}
	for _, lane := range renderjob.Lanes() {
		r.caps[lane] = lane.Cap(slots)
		if lane == renderjob.LaneStandard {
			r.caps[lane] += r.ahead
		}
	}
	r.wake()
}

// pause lets nothing in until it is told otherwise.
func (r *room) pause(paused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = paused
	r.wake()
}

// wake has those who wait for room look again.
func (r *room) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *room) has(lane renderjob.Lane) bool {
	return !r.paused && r.inHand < r.total && r.byLane[lane] < r.caps[lane]
}

// wait returns once the lane has room, or ctx ends.
func (r *room) wait(ctx context.Context, lane renderjob.Lane) error {
	for {
		r.mu.Lock()
		has, changed := r.has(lane), r.changed
		r.mu.Unlock()
		if has {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *room) free(lane renderjob.Lane) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.has(lane)
}

func (r *room) enter(lane renderjob.Lane) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.has(lane) {
		return false
	}
	r.inHand++
	r.byLane[lane]++
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
	return r.inHand
}
