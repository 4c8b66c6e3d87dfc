package admission

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/classic"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const (
	// mostForThumbnail bounds the flights of all edges that wait for one thumbnail.
	mostForThumbnail = 10_000
	// longestForThumbnail bounds the wait for another flight's render when ctx has no deadline.
	longestForThumbnail = time.Hour
	// atOnce is the longest time in which a daemon grants a free place. A slower grant counts as a
	// wait.
	atOnce = 50 * time.Millisecond
)

// daemon asks a daemon of PoolCounter's protocol. It asks for the thumbnail's pool first, "for
// anyone", because a flight must hold no places while it waits for another flight's render. Then
// it asks for the pools of the needs, one after the other. All these together may take
// throttle.queue_wait.
type daemon struct {
	connections *classic.Connections
	address     string
	queueWait   time.Duration
}

func (d daemon) ask(ctx context.Context, r Request, needs []throttle.Need) (answer, error) {
	locks := d.connections.Locks(d.address)
	done, err := awaitThumbnail(ctx, locks, r)
	said := answer{done: done}
	if err == nil && !done {
		said.decisions, err = d.acquireAll(ctx, locks, needs)
	}
	if err != nil || done {
		locks.Release(done)
		return said, err
	}
	said.end = func(o Outcome) { locks.Release(o.Stored) }
	return said, nil
}

// awaitThumbnail acquires the thumbnail's pool for anyone. done reports that another flight
// rendered the thumbnail. The error is a fault when too many flights wait, or when the wait is too
// long.
func awaitThumbnail(ctx context.Context, locks *classic.Locks, r Request) (done bool, err error) {
	limits := poolcounter.Limits{Workers: 1, MaxQueue: mostForThumbnail, Timeout: classic.Seconds(ctx, longestForThumbnail)}
	said, err := locks.Acquire(ctx, true, r.thumbnailKey(), limits)
	if err != nil {
		return false, err
	}
	switch said {
	case poolcounter.Locked:
		return false, nil
	case poolcounter.Done:
		return true, nil
	case poolcounter.QueueFull:
		return false, fault.New(fault.Unavailable, "%d requests wait for this thumbnail already: try again", mostForThumbnail)
	}
	return false, fault.New(fault.Deadline, "another render of this thumbnail did not end in time: try again")
}

func (d daemon) acquireAll(ctx context.Context, locks *classic.Locks, needs []throttle.Need) (all []decision, err error) {
	within, cancel := context.WithTimeout(ctx, d.queueWait)
	defer cancel()
	for _, need := range needs {
		if need.Limits.Shadow {
			continue // the daemon knows no shadow mode, and would refuse
		}
		began := time.Now()
		said, err := acquirePool(within, locks, need)
		if err != nil && within.Err() != nil && ctx.Err() == nil {
			said, err = poolcounter.Timeout, nil // queue_wait is over for all pools together
		}
		switch {
		case err != nil:
			return all, err
		case said != poolcounter.Locked:
			cause := throttle.Waited
			if said == poolcounter.QueueFull {
				cause = throttle.Full
			}
			return append(all, decision{need.Throttle.Name, refuse}), need.Refuse(cause, d.queueWait)
		}
		all = append(all, decision{need.Throttle.Name, admitted(time.Since(began) > atOnce)})
	}
	return all, nil
}

func acquirePool(ctx context.Context, locks *classic.Locks, need throttle.Need) (poolcounter.Answer, error) {
	return locks.Acquire(ctx, false, need.Key, poolcounter.Limits{
		Workers: uint32(need.Limits.Workers), MaxQueue: uint32(need.Limits.MaxQueue), //nolint:gosec // bounded by settings
		Timeout: classic.Seconds(ctx, need.Limits.Timeout),
	})
}
