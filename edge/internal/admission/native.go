package admission

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/coordinators"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// native asks in the coordinator's own protocol: one request asks for places in all pools, and in
// the thumbnail's pool "for anyone".
type native struct {
	coordinators *coordinators.Coordinators
	paces        *paces
	queueWait    time.Duration
	slowWait     time.Duration // of a slow flight
}

func (n native) ask(ctx context.Context, r Request, needs []throttle.Need) (answer, error) {
	began := time.Now()
	held, said, err := n.coordinators.Acquire(ctx, n.request(r, needs))
	if err != nil {
		return answer{}, err
	}
	switch said.Kind {
	case lease.KindDone:
		return answer{done: true}, nil
	case lease.KindFailed:
		return answer{}, failedElsewhere(said.Payload)
	case lease.KindRefused:
		return refused(needs, said, n.queueWait)
	}
	granted := time.Now()
	var narrowed atomic.Bool
	return answer{decisions: granting(needs, said, granted.Sub(began)), end: func(o Outcome) {
		if o.Stored && !r.Flight.Rides && !narrowed.Load() {
			n.paces.note(r.Flight.Lane, time.Since(granted))
		}
		held.Spend(o.CPU)
		held.Release(o.encode())
	}, narrow: func() {
		narrowed.Store(true)
		held.Narrow(inLane(needs))
	}}, nil
}

// inLane reports whether a pool is a lane's.
func inLane(needs []throttle.Need) func(lease.Pool) bool {
	return func(p lease.Pool) bool {
		return slices.ContainsFunc(needs, func(n throttle.Need) bool { return n.Throttle.Name == throttle.Lane && n.Key == p.Key })
	}
}

func (n native) request(r Request, needs []throttle.Need) lease.Request {
	wait := n.queueWait
	if r.Flight.Slow {
		wait = n.slowWait
	}
	q := lease.Request{Client: r.Flight.Client, Cost: milliseconds(r.Cost), Thumbnail: r.thumbnailKey()}
	for _, need := range needs {
		if !need.Limits.Shadow && !r.Flight.Slow {
			wait = min(wait, need.Limits.Timeout)
		}
		q.Pools = append(q.Pools, lease.Pool{Rule: need.Rule, Places: uint32(need.Places), Key: need.Key}) //nolint:gosec // bounded
	}
	q.Wait = uint64(wait.Milliseconds()) //nolint:gosec // not negative
	return q
}

// milliseconds returns a cost as the coordinator counts it: at least 1, and at most an hour.
func milliseconds(d time.Duration) uint32 {
	return uint32(max(1, min(d, time.Hour).Milliseconds())) //nolint:gosec // bounded
}

// granting returns the decisions of all throttles about a granted request. The request waited for
// at most one pool, which the answer names.
func granting(needs []throttle.Need, said lease.Answer, took time.Duration) (all []decision) {
	for i, need := range needs {
		what := admitted(said.Pool == i && took > time.Millisecond)
		if said.Shadow>>i&1 == 1 {
			what = shadow
		}
		all = append(all, decision{need.Throttle.Name, what})
	}
	return all
}

func refused(needs []throttle.Need, said lease.Answer, queueWait time.Duration) (answer, error) {
	switch {
	case said.Reason == lease.Full && said.Pool == lease.NoPool:
		return answer{}, fault.New(fault.Unavailable, "too many requests wait for this thumbnail already: try again")
	case said.Reason == lease.Malformed || said.Pool >= len(needs):
		return answer{}, fault.New(fault.Internal, "two parts of this site do not understand each other: tell its operator").Remedied("run the same version of edge and coordinator")
	case said.Pool == lease.NoPool:
		return answer{}, fault.New(fault.Unavailable, "this site takes no more requests now: try again").Remedied("start more edges: the coordinator takes no more requests of this one")
	}
	need := needs[said.Pool]
	f := need.Refuse(throttle.Waited, queueWait)
	switch said.Reason {
	case lease.Full:
		f = need.Refuse(throttle.Full, queueWait)
	case lease.TimedOut:
		f = f.Because(throttle.ErrWaited)
	case lease.Crowded:
		f = need.Refuse(throttle.Crowded, queueWait).Because(throttle.ErrCrowded)
	}
	return answer{decisions: []decision{{need.Throttle.Name, refuse}}}, f
}

// failedElsewhere returns the fault of another edge's render from its JSON.
func failedElsewhere(payload string) error {
	f := &fault.Fault{}
	if err := json.Unmarshal([]byte(payload), f); err != nil || f.Kind == "" {
		return fault.New(fault.Internal, "another render of this thumbnail failed, and its edge sent no reason")
	}
	return f
}
