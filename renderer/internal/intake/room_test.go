package intake

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Lanes with a backlog take turns, no matter which goroutine wakes first.
func TestLanesTakeTurns(t *testing.T) {
	r := newRoom(4, 0)
	for range 4 {
		r.enter(kind{lane: renderjob.LaneBulk})
		r.enter(standard)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan renderjob.Lane)
	ended := make(chan error)
	for _, lane := range renderjob.Lanes() {
		go func() {
			for {
				if err := r.turn(ctx, lane); err != nil {
					ended <- err
					return
				}
				r.enter(kind{lane: lane})
				r.done()
				served <- lane
			}
		}()
	}
	var got []renderjob.Lane
	held := []renderjob.Lane{renderjob.LaneBulk, renderjob.LaneStandard, renderjob.LaneBulk, renderjob.LaneStandard}
	for range 12 {
		everyoneWaits(r)
		(&Place{room: r, kind: kind{lane: held[0]}}).leave()
		lane := <-served
		held = append(held[1:], lane)
		got = append(got, lane)
	}
	for i := 3; i < len(got); i++ {
		if last := got[i-3 : i]; slices.Contains(last[1:], got[i]) {
			t.Errorf("lane %s has two turns among three: %v", got[i], got)
		}
	}
	cancel()
	for range renderjob.Lanes() {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// everyoneWaits returns once all lanes wait for their turns.
func everyoneWaits(r *room) {
	for {
		r.mu.Lock()
		n := len(r.waiting)
		r.mu.Unlock()
		if n == len(renderjob.Lanes()) {
			return
		}
	}
}

// Slow jobs, which are drawn beside the slots, take no room of other jobs, and other jobs take none of theirs.
func TestSlowJobsTakeNoRoomOfOthers(t *testing.T) {
	const slots, ahead = 8, 1
	slow := kind{renderjob.LaneBulk, true}
	for name, order := range map[string][]kind{"slow jobs first": {slow, standard}, "slow jobs last": {standard, slow}} {
		t.Run(name, func(t *testing.T) {
			r, entered := newRoom(slots, ahead), map[kind]int{}
			for _, k := range order {
				for r.enter(k) {
					entered[k]++
				}
			}
			if entered[standard] != slots+ahead || entered[slow] != lanes.SlowSlots(slots) || r.count() != entered[standard]+entered[slow] {
				t.Errorf("%v entered, %d are in hand", entered, r.count())
			}
			(&Place{room: r, kind: standard}).leave()
			(&Place{room: r, kind: standard}).leave()
			if !r.enterFree(standard) || r.enterFree(standard) {
				t.Error("want one free slot for a job of another renderer")
			}
			p := &Place{room: r, kind: slow}
			if !p.StepAside("host") || !r.enter(standard) || p.Return(t.Context(), nil) != nil {
				t.Error("a slow job aside needs room of other jobs")
			}
			for range entered[slow] {
				p.leave()
			}
			for range slots + ahead {
				(&Place{room: r, kind: standard}).leave()
			}
			if r.count() != 0 || len(r.aside) != 0 {
				t.Errorf("the room is not empty: %+v", r)
			}
		})
	}
}

// Renders in advance, which share the lane of slow jobs, take room of others.
func TestRendersInAdvanceTakeRoom(t *testing.T) {
	r, n := newRoom(8, 0), 0
	for range 2 {
		r.enter(kind{lane: renderjob.LaneBulk})
		r.enter(kind{renderjob.LaneBulk, true})
	}
	if r.enter(kind{renderjob.LaneBulk, true}) {
		t.Error("the lane bulk has more jobs than its cap")
	}
	for r.enter(standard) {
		n++
	}
	if n != 6 {
		t.Errorf("%d jobs of the lane standard have room, want 6", n)
	}
}

// Edges may hand jobs over while a slot is free, and every lane with room waits for a new job. The last place is left for
// the job of a pull that waits.
func TestJobsThatBeginAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		slots, ahead int
		before       func(*room)
		want         int
	}{
		"an idle renderer":          {2, 1, func(*room) {}, 2},
		"without jobs ahead":        {2, 0, func(*room) {}, 1},
		"a lane looks for work":     {2, 1, func(r *room) { r.looking = true }, 0},
		"a lane waits for its turn": {2, 1, func(r *room) { r.waiting[renderjob.LaneExpensive] = true }, 0},
		"a full lane waits for room": {4, 1, func(r *room) {
			for r.enter(kind{lane: renderjob.LaneBulk}) {
				r.waiting[renderjob.LaneBulk] = true
			}
		}, 2},
		"a directive drains":            {2, 1, func(r *room) { r.pause(true) }, 0},
		"a job of the queue is in hand": {2, 1, func(r *room) { r.enter(standard) }, 1},
		"jobs of the queue fill it":     {2, 1, func(r *room) { r.enter(standard); r.enter(standard) }, 0},
		"a job only stores":             {2, 1, func(r *room) { r.enter(standard); (&Place{room: r, kind: standard}).Store(1) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r, n := newRoom(c.slots, c.ahead), 0
			c.before(r)
			if free := r.free(); free != c.want {
				t.Errorf("%d jobs may be handed over, want %d", free, c.want)
			}
			for r.enterIdle(standard) {
				n++
			}
			if n != c.want {
				t.Errorf("%d jobs entered, want %d", n, c.want)
			}
		})
	}
}
