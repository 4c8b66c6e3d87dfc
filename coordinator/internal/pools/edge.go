package pools

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// edge holds the requests and leases of one edge. It outlives the edge's connections by lease.Grace.
type edge struct {
	table    *Table
	name     string
	status   string
	moved    time.Time // when the edge last moved to this coordinator
	receiver Receiver  // nil while its connection is lost
	rules    []*rule
	requests shrinking[uint64, *request]
}

// connection implements requester.
func (e *edge) connection() Receiver { return e.receiver }

// obstacle implements requester.
func (e *edge) obstacle(r *request) *slot {
	for i := range r.slots {
		if s := &r.slots[i]; !s.pool.fits(r, s.places) {
			return s
		}
	}
	return nil
}

// forget implements requester.
func (e *edge) forget(r *request) { e.requests.delete(r.id) }

func (e *edge) loseConnection() {
	e.receiver = nil
	now := time.Now()
	for _, r := range e.requests.entries {
		switch {
		case r.state == holding && r.lost.IsZero(): // a lease lost earlier keeps its time
			r.lost = now
		case r.state != holding:
			e.table.abandon(r)
		}
	}
	time.AfterFunc(lease.Grace, e.endUnclaimed)
}

// endUnclaimed ends the leases that nobody claimed, and forgets an edge without connection and leases.
func (e *edge) endUnclaimed() {
	t := e.table
	t.lock()
	defer t.unlock()
	for _, r := range e.requests.entries {
		if !r.lost.IsZero() && time.Since(r.lost) >= lease.Grace {
			t.counts.Vanished++
			t.end(r, lease.Vanished, "")
		}
	}
	if e.receiver == nil && len(e.requests.entries) == 0 && t.edges[e.name] == e {
		t.declare(e, nil)
		delete(t.edges, e.name)
	}
}

const maxWait = 24 * 60 * 60 * 1000 // milliseconds

// newRequest makes a request from an edge's message. It returns nil after a refusal.
func (e *edge) newRequest(q lease.Request) *request {
	t := e.table
	if why, refused := e.objection(q); refused {
		t.tell(e.receiver, lease.Answer{Kind: lease.KindRefused, ID: q.ID, Pool: lease.NoPool, Reason: why})
		return nil
	}
	r := e.build(q)
	e.requests.set(r.id, r)
	return r
}

// build makes a request that the edge does not keep. Its rules must be known.
func (e *edge) build(q lease.Request) *request {
	t := e.table
	t.arrived++
	r := &request{
		by: e, id: q.ID, arrival: t.arrived, flow: q.Client, cost: uint64(max(q.Cost, 1)),
		wait: time.Duration(min(q.Wait, maxWait)) * time.Millisecond,
	}
	r.slots = r.few[:0]
	for _, want := range q.Pools {
		rule := e.rules[want.Rule]
		r.slots = append(r.slots, slot{key: want.Key, rule: rule, places: min(want.Places, rule.workers, rule.maxQueue)})
	}
	if q.Thumbnail != "" {
		r.thumbnail = t.pool(q.Thumbnail)
	}
	return r
}

// objection returns a reason to refuse a request before a look at its pools, if there is a reason.
func (e *edge) objection(q lease.Request) (why lease.Reason, refused bool) {
	switch {
	case len(e.requests.entries) >= MaxRequests:
		return lease.Overload, true
	case e.requests.entries[q.ID] != nil || !e.understands(q):
		return lease.Malformed, true
	}
	return 0, false
}

// understands reports whether each pool has a rule and a key of its own, and the request asks for
// something.
func (e *edge) understands(q lease.Request) bool {
	for i, p := range q.Pools {
		if p.Rule >= len(e.rules) || p.Key == q.Thumbnail {
			return false
		}
		for _, earlier := range q.Pools[:i] {
			if earlier.Key == p.Key {
				return false
			}
		}
	}
	return len(q.Pools) > 0 || q.Thumbnail != ""
}

func (e *edge) claim(q lease.Request) {
	t := e.table
	if r := e.requests.entries[q.ID]; r != nil {
		r.lost = time.Time{}
		if r.state == holding {
			t.narrow(r, q.Pools)
		}
		return
	}
	r := e.newRequest(q)
	if r == nil {
		return
	}
	if r.thumbnail != nil && r.thumbnail.held > 0 {
		t.markMovable(r.thumbnail)
		r.thumbnail = nil // another lease renders the thumbnail too
	}
	t.openPools(r)
	t.countPlaces(r)
	t.holdPlaces(r)
	t.counts.Claimed++
}
