package places

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

// patient asks the next admitter again when a lane is full only because the queue stalls. It asks for
// deadline.Publish, by when an election of the queue's servers must be over.
type patient struct {
	next  admitter
	stall stall
}

func (p patient) Admit(ctx context.Context, r admission.Request) (admission.Lease, bool, error) {
	for began := time.Now(); ; {
		l, done, err := p.next.Admit(ctx, r)
		waitsForQueue := fault.Is(err, fault.LaneFull) && time.Since(began) < deadline.Publish && p.stall.isOfQueue()
		if !waitsForQueue || periodic.Sleep(ctx, againAfter()) != nil {
			return l, done, err
		}
	}
}

// againAfter returns a random pause of 300 to 700 ms, so that flights do not all ask at the same
// moment.
func againAfter() time.Duration {
	return 300*time.Millisecond + rand.N(400*time.Millisecond) //nolint:gosec // no secret
}

// stalledFor is the wait of a job, while a renderer has a free slot, that shows that the queue
// stalls.
const stalledFor = time.Second

// stall tells whether the flights of a lane wait for the queue rather than for renderers.
type stall struct {
	queue   Queue
	backlog Backlog
	fleet   Fleet
}

// isOfQueue reports whether the queue stalls: it takes no jobs, or a job of any edge has waited longer
// than stalledFor while a renderer has a free slot.
func (s stall) isOfQueue() bool {
	if s.queue.Electing() {
		return true
	}
	standard := renderjob.LaneStandard
	return s.fleet.Idle() && (s.queue.Unstarted(standard) > stalledFor || s.backlog.Stalls(standard, stalledFor))
}
