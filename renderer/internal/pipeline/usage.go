package pipeline

import (
	"sync"
	"time"
)

// usage adds up the time that slots are in use.
type usage struct {
	mu    sync.Mutex
	busy  int
	spent time.Duration // the time of all slots together, from since to at
	at    time.Time
	since time.Time // the time of the last call of mean
}

// settle adds the time since at to spent, and returns the time now.
func (u *usage) settle() time.Time {
	now := time.Now()
	if u.at.IsZero() {
		u.at, u.since = now, now
	}
	u.spent += time.Duration(u.busy) * now.Sub(u.at)
	u.at = now
	return now
}

func (u *usage) begin() { u.change(1) }
func (u *usage) end()   { u.change(-1) }

func (u *usage) change(by int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.settle()
	u.busy += by
}

// mean returns the mean number of slots in use since its last call.
func (u *usage) mean() (mean float64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.settle()
	if whole := now.Sub(u.since); whole > 0 {
		mean = float64(u.spent) / float64(whole)
	}
	u.spent, u.since = 0, now
	return mean
}
