package pools

import (
	"container/list"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

type state uint8

const (
	idle     state = iota
	inLine         // has a place in each pool, and stands in the line of one
	awaiting       // waits for another's render of its thumbnail
	holding
)

// requester is whose a request is: an edge's, or that of a client of PoolCounter's protocol.
type requester interface {
	// connection hears the answers; nil while it is lost.
	connection() Receiver
	// obstacle gives the first pool that has no room for a request that waits or is new; nil when it
	// can be granted.
	obstacle(*request) *slot
	// forget drops a request that has ended.
	forget(*request)
}

// request is one request for places, and the lease or lock when it is granted.
type request struct {
	by      requester
	id      uint64 // of an edge's
	arrival uint64
	flow    string
	cost    uint64

	slots     []slot
	few       [4]slot // room for slots
	thumbnail *pool
	stands    *slot         // the one in whose line it stands; nil = in none
	stood     *slot         // the last one in whose line it stood; nil = none
	asks      *list.Element // in its thumbnail's askers
	forAnyone *list.Element // in its pool's list of those for anyone
	passed    int           // turns that were of no use
	shadow    uint64        // bit i: the throttle of slot i is in shadow mode, and would not let it through
	state     state
	protected bool
	lost      time.Time // when its edge's connection was lost; zero once claimed

	since time.Time // when its state began
	wait  time.Duration
	until time.Time // end of its wait in line
	timer *time.Timer
}

// slot is a request's part of one pool. The pool is found when the request enters it: while it
// waits for another's render the pool may come and go.
type slot struct {
	key    string
	rule   *rule // nil: a client's, who states the limits itself
	pool   *pool
	places uint32
}

// index gives the position of a slot as answers count them.
func (r *request) index(s *slot) int {
	for i := range r.slots {
		if &r.slots[i] == s {
			return i
		}
	}
	return lease.NoPool
}

// lastStood gives the slot that a wait in line is counted for: the last in whose line it stood,
// or the first when it stood in none.
func (r *request) lastStood() *slot {
	if r.stood != nil {
		return r.stood
	}
	return &r.slots[0]
}

// admit lets a request into its pools: it is granted, stands in line, or is refused.
func (t *Table) admit(r *request) {
	t.openPools(r)
	if full := t.fullPool(r); full != nil {
		t.refuse(r, full, lease.Full)
		return
	}
	t.countPlaces(r)
	obstacle := r.by.obstacle(r)
	switch {
	case obstacle == nil && t.settling && len(r.slots) > 0:
		t.waitInLine(r, &r.slots[0])
		t.markMovable(r.slots[0].pool)
	case obstacle == nil:
		t.holdAtOnce(r)
		t.answer(r, lease.Answer{Kind: lease.KindGranted, Pool: lease.NoPool, Shadow: r.shadow})
	case r.wait == 0:
		t.uncountPlaces(r)
		t.refuse(r, obstacle, lease.TimedOut)
	default:
		t.waitInLine(r, obstacle)
	}
}

// fullPool counts what the throttles say of a request, and gives the first pool whose queue is
// full; nil when none is.
func (t *Table) fullPool(r *request) *slot {
	r.shadow = 0
	for i := range r.slots {
		s := &r.slots[i]
		p := s.pool
		if p.near(s.places) {
			p.tally.near++
		}
		switch {
		case p.rule.shadow && (p.full(s.places) || p.over(s.places)):
			r.shadow |= 1 << i
			p.tally.shadowed++
		case !p.rule.shadow && p.full(s.places):
			return s
		}
	}
	return nil
}

// grant ends a wait in line with success.
func (t *Table) grant(r *request) {
	t.measureWait(r)
	t.endLineWait(r)
	t.holdPlaces(r)
	t.answer(r, lease.Answer{Kind: lease.KindGranted, Pool: r.index(r.stood), Shadow: r.shadow})
}

// measureWait counts the wait for the pool at which it ended, and none for the others.
func (t *Table) measureWait(r *request) {
	waited := time.Since(r.since)
	t.times.Waiting += waited
	if r.forAnyone != nil {
		t.times.WaitingForAnyone += waited
	} else {
		t.times.WaitingForMe += waited
	}
	last := r.lastStood()
	for i := range r.slots {
		if s := &r.slots[i]; s == last {
			t.observer.Waited(s.pool.tally.class, waited)
		} else {
			t.observer.Waited(s.pool.tally.class, 0)
		}
	}
}

// refuse ends a wait with a refusal by one of its pools, or by its thumbnail's when that is nil.
func (t *Table) refuse(r *request, by *slot, why lease.Reason) {
	p := r.thumbnail
	if by != nil {
		p = by.pool
	}
	t.countRefusal(p, why)
	for i := range r.slots { // the client and the original are refused, whichever pool did it
		if other := r.slots[i].pool; other != p {
			t.observer.Refused(other.key, p.key)
		}
	}
	t.answer(r, lease.Answer{Kind: lease.KindRefused, Pool: r.index(by), Reason: why, Shadow: r.shadow})
	t.abandon(r)
}

func (t *Table) countRefusal(p *pool, why lease.Reason) {
	p.tally.refusals[why]++
	t.observer.Refused(p.key, p.key)
	if why == lease.Full {
		t.counts.FullQueues++
	}
}

// abandon ends a wait of whatever kind; the request is of no more use.
func (t *Table) abandon(r *request) {
	switch r.state {
	case inLine:
		t.leavePools(r)
	case awaiting:
		t.endAwaiting(r)
	}
	if r.thumbnail != nil {
		t.leaveAskers(r)
	}
	t.forget(r)
}

// forget drops a request, and those of its pools that were made for it alone.
func (t *Table) forget(r *request) {
	r.state = idle
	for i := range r.slots {
		if p := r.slots[i].pool; p != nil {
			t.markMovable(p)
		}
	}
	if r.thumbnail != nil {
		t.markMovable(r.thumbnail)
	}
	r.by.forget(r)
}

// end ends a request in whatever state, and tells those who wait for its thumbnail.
func (t *Table) end(r *request, out lease.Outcome, payload string) {
	if r.state != holding {
		t.abandon(r)
		return
	}
	p := r.thumbnail
	t.freePlaces(r)
	t.forget(r)
	if p == nil {
		return
	}
	if out == lease.Stored {
		t.endWaitsForAnyone(p, r.since)
	}
	t.tellAwaiting(p, out, payload)
}
