package obtain

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// patient asks an admitter again for a lane that is full only because the queue stalls,
// until an election of the queue's servers must be over.
type patient struct {
	admitter Admitter
	stall    stall
}

// Admit is Admitter's.
func (p patient) Admit(ctx context.Context, r admission.Request) (admission.Lease, bool, error) {
	for began := time.Now(); ; {
		l, done, err := p.admitter.Admit(ctx, r)
		waitsForQueue := fault.Is(err, fault.LaneFull) && time.Since(began) < 2*deadline.Election && p.stall.isOfQueue()
		if !waitsForQueue || periodic.Sleep(ctx, againAfter()) != nil {
			return l, done, err
		}
	}
}

// againAfter spreads those that ask again, so that they do not ask at the same moment.
func againAfter() time.Duration {
	return 300*time.Millisecond + rand.N(400*time.Millisecond) //nolint:gosec // no secret
}

// stalledFor is how long a job may wait in the queue, while a renderer has room, before the
// queue is what it waits for.
const stalledFor = time.Second

// stall tells whether all places of a lane wait for the queue, and not for renderers.
type stall struct {
	queue   Queue
	backlog Backlog
	fleet   Fleet
}

// isOfQueue reports that the queue takes nothing, or has had a job, of this edge or of
// another, for long while a renderer has room.
func (s stall) isOfQueue() bool {
	if s.queue.Electing() {
		return true
	}
	standard := renderjob.LaneStandard
	return s.fleet.Idle() && (s.queue.Unstarted(standard) > stalledFor || s.backlog.Stalls(standard, stalledFor))
}
