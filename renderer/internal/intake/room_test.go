package intake

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Lanes with a backlog take turns, no matter which goroutine wakes first.
func TestLanesTakeTurns(t *testing.T) {
	r := newRoom(4, 0)
	for range 4 {
		r.enter(renderjob.LaneBulk)
		r.enter(renderjob.LaneStandard)
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
				r.enter(lane)
				r.done()
				served <- lane
			}
		}()
	}
	var got []renderjob.Lane
	held := []renderjob.Lane{renderjob.LaneBulk, renderjob.LaneStandard, renderjob.LaneBulk, renderjob.LaneStandard}
	for range 12 {
		everyoneWaits(r)
		r.leave(held[0])
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
