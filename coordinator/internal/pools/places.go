package pools

import (
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// openPools finds or makes the pools of a request.
func (t *Table) openPools(r *request) {
	for i := range r.slots {
		s := &r.slots[i]
		s.pool = t.pool(s.key)
		s.pool.rule = s.rule
	}
}

// placesIn returns the number of places that a request takes of a pool.
func (r *request) placesIn(p *pool) (places uint32) {
	for i := range r.slots {
		if r.slots[i].pool == p {
			places += r.slots[i].places
		}
	}
	return places
}

// countPlaces counts a request in the queues of its pools, as waiting.
func (t *Table) countPlaces(r *request) {
	for i := range r.slots {
		p := r.slots[i].pool
		p.places += r.slots[i].places
		p.note(r.flow, r.slots[i].places)
		p.tally.waiters += int64(r.slots[i].places)
	}
}

// uncountPlaces undoes countPlaces for a request that holds nothing.
func (t *Table) uncountPlaces(r *request) {
	for i := range r.slots {
		p := r.slots[i].pool
		p.places -= r.slots[i].places
		p.unnote(r.flow, r.slots[i].places)
		p.tally.waiters -= int64(r.slots[i].places)
		t.markMovable(p)
	}
}

// holdAtOnce holds places without a wait.
func (t *Table) holdAtOnce(r *request) {
	t.holdPlaces(r)
	for i := range r.slots {
		t.observer.Waited(r.slots[i].pool.tally.class, 0)
	}
}

// holdPlaces counts the places of a request as held instead of waited for.
func (t *Table) holdPlaces(r *request) {
	for i := range r.slots {
		p, places := r.slots[i].pool, r.slots[i].places
		p.held += places
		p.handedOn = max(p.handedOn-1, 0)
		p.tally.waiters -= int64(places)
		p.tally.holders += int64(places)
		p.tally.granted++
		t.sendToAwait(p)
		if p.line.head() != nil {
			p.line.served(r.flow, r.cost)
			t.markMovable(p) // its order may have changed
		}
	}
	if r.thumbnail != nil {
		t.holdThumbnail(r)
	}
	r.state, r.since = holding, time.Now()
	t.counts.Acquired++
	t.counts.Processing++
}

// freePlaces gives back the places of a lease or lock. Requests that wait for them go on.
func (t *Table) freePlaces(r *request) {
	t.observeWork(r)
	for i := range r.slots {
		r.slots[i].pool.unnote(r.flow, r.slots[i].places)
		t.freePlacesIn(r.slots[i].pool, r.slots[i].places)
	}
	if r.thumbnail != nil {
		t.freePlacesIn(r.thumbnail, 1)
	}
	t.counts.Processing--
	t.counts.ProcessedCount++
	t.times.Processing += time.Since(r.since)
}

// spend charges a lease's client, in the lines of its pools, with the part of a render's processor time that the
// request's cost did not foresee, and reports the time. The pools include those whose places narrow gave back: they
// granted the request for its cost.
func (t *Table) spend(r *request, took time.Duration) {
	more := took.Milliseconds() - int64(r.cost) //nolint:gosec // below 2³¹
	for i := range r.slots {
		t.charge(r.slots[i].pool, r.flow, more)
	}
	for _, key := range r.left {
		if p := t.pools.entries[key]; p != nil { // an empty pool is gone, and nobody stands in its line
			t.charge(p, r.flow, more)
		}
	}
	r.cost = uint64(took.Milliseconds()) //nolint:gosec // not negative; a second report charges the rest
	t.observer.Spent(r.flow, t.originalKey(r), took)
}

func (t *Table) charge(p *pool, flow string, more int64) {
	p.line.charge(flow, more)
	t.markMovable(p)
}

// narrow gives back the places of a lease in the pools that its newest claim does not name.
func (t *Table) narrow(r *request, claimed []lease.Pool) {
	r.stood = nil // slots move
	limited := r.client() != nil
	r.slots = slices.DeleteFunc(r.slots, func(s slot) bool {
		if slices.ContainsFunc(claimed, func(p lease.Pool) bool { return p.Key == s.key }) {
			return false
		}
		t.observeWorkIn(s.pool, r, limited)
		s.pool.unnote(r.flow, s.places)
		t.freePlacesIn(s.pool, s.places)
		r.left = append(r.left, s.key)
		return true
	})
}

func (t *Table) freePlacesIn(p *pool, places uint32) {
	p.held -= places
	p.places -= places
	p.handedOn++
	p.tally.holders -= int64(places)
	t.markMovable(p)
}
