package admission

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/thumbmill/thumbmill/shared/throttle"
)

// LocalLimit is the number of flights that one edge admits at once while no coordinator answers.
const LocalLimit = 32

// local admits flights under this edge's own limit.
type local struct {
	places    *semaphore.Weighted
	throttle  throttle.Throttle
	queueWait time.Duration
}

func (l local) ask(ctx context.Context, _ Request, _ []throttle.Need) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, l.queueWait)
	defer cancel()
	if err := l.places.Acquire(ctx, 1); err != nil {
		return answer{decisions: []decision{{l.throttle.Name, refuse}}}, l.throttle.Refuse(0, throttle.Busy, LocalLimit)
	}
	return answer{decisions: []decision{{l.throttle.Name, admit}}, end: func(Outcome) { l.places.Release(1) }}, nil
}
