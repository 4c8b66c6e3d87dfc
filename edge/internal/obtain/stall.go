package obtain

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

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
