package pipeline

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/shared/deadline"
)

// slots are the renders that may run at once.
type slots struct {
	taken chan struct{}
	usage usage
}

func newSlots(n int) *slots { return &slots{taken: make(chan struct{}, n)} }

// acquire waits for a slot. It returns intake.ErrNotBegun once drain is closed or
// deadline.Slot is over, and ctx's error when ctx ends. After nil the caller releases the slot.
func (s *slots) acquire(ctx context.Context, drain <-chan struct{}) error {
	select {
	case <-drain:
		return intake.ErrNotBegun
	default:
	}
	patience := time.NewTimer(deadline.Slot)
	defer patience.Stop()
	select {
	case s.taken <- struct{}{}:
		s.usage.begin()
		return nil
	case <-drain:
		return intake.ErrNotBegun
	case <-patience.C: // a long render is in the way; another renderer may be idle
		return intake.ErrNotBegun
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slots) release() {
	s.usage.end()
	<-s.taken
}

// busy is how many slots render now.
func (s *slots) busy() int { return len(s.taken) }

// share is the part of the slots' time since the last call that was spent on renders, 0 to 1.
func (s *slots) share() float64 { return s.usage.share(cap(s.taken)) }
