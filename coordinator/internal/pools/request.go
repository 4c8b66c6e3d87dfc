package pools

import (
	"container/list"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

type state uint8

const (
	idle     state = iota
	inLine         // has a place in each pool, and stands in the line of one pool
	awaiting       // waits for another request's render of its thumbnail
	holding
)

// requester is the side that made a request: an edge, or a client of PoolCounter's protocol.
type requester interface {
	// connection receives the answers; nil while it is lost.
	connection() Receiver
	// obstacle returns the first pool without room for a request that is new or waits; nil if the
	// request can be granted.
	obstacle(*request) *slot
	// forget drops an ended request.
	forget(*request)
}

// request is one request for places; once granted, it is the lease or lock.
type request struct {
	by      requester
	id      uint64 // of an edge's request
	arrival uint64
	flow    string
	cost    uint64

	slots     []slot
	few       [4]slot  // backing array of slots
	left      []string // keys of the pools whose places a lease gave back before its end
	thumbnail *pool
	stands    *slot         // the slot in whose line it stands; nil = in no line
	stood     *slot         // the last slot in whose line it stood; nil = none
	asks      *list.Element // in its thumbnail's askers
	forAnyone *list.Element // in its pool's list for anyone
	passed    int           // useless turns
	shadow    uint64        // bit i: the throttle of slot i is in shadow mode, and would have stopped the request
	state     state
	protected bool
	lost      time.Time // when its edge's connection was lost; zero once claimed

	since time.Time // start of the state
	wait  time.Duration
	until time.Time // end of its wait in line
	timer *time.Timer
}

// slot is a request's part of one pool. The request looks its pool up on entering it: during a wait for
// another render the pool may be dropped and made again.
type slot struct {
	key    string
	rule   *rule // nil: a Client's request, which states the limits itself
	pool   *pool
	places uint32
}

// index returns the position of a slot as answers count it.
func (r *request) index(s *slot) int {
	for i := range r.slots {
		if &r.slots[i] == s {
			return i
		}
	}
	return lease.NoPool
}

// lastStood returns the slot that a wait in line is counted for: the last in whose line the request
// stood, or the first slot.
func (r *request) lastStood() *slot {
	if r.stood != nil {
		return r.stood
	}
	return &r.slots[0]
}

// admit lets a request into its pools: the request is granted, stands in line, or is refused.
func (t *Table) admit(r *request) {
	t.openPools(r)
	if full, why := t.fullPool(r); full != nil {
		t.refuse(r, full, why)
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

// fullPool counts the verdicts of the throttles, and returns the first pool whose queue is full for the
// request, with the reason, or nil.
func (t *Table) fullPool(r *request) (*slot, lease.Reason) {
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
			return s, lease.Full
		}
		if own := r.client(); own != nil && !p.rule.shadow && p.crowdedBy(r.flow, s.places) {
			return own, lease.Crowded
		}
	}
	return nil, 0
}

// grant ends a wait in line with success.
func (t *Table) grant(r *request) {
	t.measureWait(r)
	t.endLineWait(r)
	t.holdPlaces(r)
	t.answer(r, lease.Answer{Kind: lease.KindGranted, Pool: r.index(r.stood), Shadow: r.shadow})
}

// measureWait counts the whole wait for the pool where it ended, and zero for the others.
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

// refuse refuses a request in the name of one of its pools, or of its thumbnail's pool if by is nil.
func (t *Table) refuse(r *request, by *slot, why lease.Reason) {
	p, by := r.thumbnail, r.blamed(by)
	if by != nil {
		p = by.pool
	}
	t.observeRefusal(r, p, why)
	t.answer(r, lease.Answer{Kind: lease.KindRefused, Pool: r.index(by), Reason: why, Shadow: r.shadow})
	t.abandon(r)
}

// turnAway counts a request that its edge refused in the name of its first pool. The request takes no
// place, and the table does not keep it.
func (t *Table) turnAway(r *request, why lease.Reason) {
	t.openPools(r)
	t.observeRefusal(r, r.slots[0].pool, why)
	t.markPoolsMovable(r)
}

// observeRefusal counts a refusal by one of a request's pools, and reports it to the observer.
func (t *Table) observeRefusal(r *request, p *pool, why lease.Reason) {
	t.countRefusal(p, why)
	t.observer.Turned(r.flow, p.tally.class)
	t.observeEnd(r, Ended{Refused: p.tally.class})
	for i := range r.slots { // the refusal counts for the client and the original too
		if other := r.slots[i].pool; other != nil && other != p {
			t.observer.Refused(other.key, p.key)
		}
	}
}

// countRefusal counts a crowded lane as a full queue.
func (t *Table) countRefusal(p *pool, why lease.Reason) {
	if why == lease.Crowded {
		why = lease.Full
	}
	p.tally.refusals[why]++
	t.observer.Refused(p.key, p.key)
	if why == lease.Full {
		t.counts.FullQueues++
	}
}

// abandon ends any wait of a request, and drops the request.
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

// forget drops a request. Pools that existed for it alone are dropped later.
func (t *Table) forget(r *request) {
	r.state = idle
	t.markPoolsMovable(r)
	r.by.forget(r)
}

func (t *Table) markPoolsMovable(r *request) {
	for i := range r.slots {
		if p := r.slots[i].pool; p != nil {
			t.markMovable(p)
		}
	}
	if r.thumbnail != nil {
		t.markMovable(r.thumbnail)
	}
}

// end ends a request in any state, and tells the requests that wait for its thumbnail.
func (t *Table) end(r *request, out lease.Outcome, payload string) {
	if r.state != holding {
		t.abandon(r)
		return
	}
	p := r.thumbnail
	t.observeEnd(r, Ended{Outcome: out, Payload: payload, Held: time.Since(r.since)})
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
