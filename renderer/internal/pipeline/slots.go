package pipeline

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/shared/deadline"
)

// slots bounds the renders that run at once.
type slots struct {
	taken chan struct{}
	usage usage
}

func newSlots(n int) *slots { return &slots{taken: make(chan struct{}, n)} }

// acquire waits for a slot. It returns intake.ErrNotBegun if drain is closed or deadline.Slot passes
// first, and ctx's error if ctx ends first. After nil the caller must release the slot.
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
	case <-patience.C: // a long render holds the slot, and another renderer may be idle
		return intake.ErrNotBegun
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slots) release() {
	s.usage.end()
	<-s.taken
}

// busy returns the number of slots that render now.
func (s *slots) busy() int { return len(s.taken) }

// share returns the share of the slots' time that was spent on renders since the last call, from 0 to 1.
func (s *slots) share() float64 { return min(1, s.usage.mean()/float64(cap(s.taken))) }
