package pools

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// shares are the places of a lane that each client holds or waits for. One client takes at most
// lanes.MostOfClient of them, and a lane's refusal of the client that lanes.IsMostlyOf names is a
// refusal by per-ip: it says nothing about the number of renderers. A client that per-ip does not limit
// has no such bound.
type shares map[string]uint32

// note counts places that a client takes of a pool, if the pool is a lane.
func (p *pool) note(client string, places uint32) {
	if !p.tally.shared {
		return
	}
	if p.shares == nil {
		p.shares = shares{}
	}
	p.shares[client] += places
}

// unnote undoes note.
func (p *pool) unnote(client string, places uint32) {
	if p.shares == nil {
		return
	}
	if p.shares[client] -= places; p.shares[client] == 0 {
		delete(p.shares, client)
	}
}

// crowdedBy reports whether so many more places give a client more than its share of a lane.
func (p *pool) crowdedBy(client string, places uint32) bool {
	if !p.tally.shared {
		return false
	}
	return p.shares[client] > 0 && p.shares[client]+places > lanes.MostOfClient(p.rule.workers, p.rule.maxQueue)
}

// mostlyOf reports whether a client crowds a lane.
func (p *pool) mostlyOf(client string) bool {
	return p.tally.shared && lanes.IsMostlyOf(p.shares[client], p.places, p.rule.workers)
}

// client returns the slot of the request's client (throttle per-ip), if per-ip limits the client.
func (r *request) client() *slot {
	for i := range r.slots {
		if s := &r.slots[i]; s.pool.tally.class == throttle.PerIP && s.rule != nil && !s.rule.shadow {
			return s
		}
	}
	return nil
}

// blamed returns the slot that a refusal is counted for: the client's, if the client crowds the lane.
func (r *request) blamed(by *slot) *slot {
	if by == nil || by.rule == nil || !by.pool.mostlyOf(r.flow) {
		return by
	}
	if own := r.client(); own != nil {
		return own
	}
	return by
}

// observeWork reports for how long an ended lease held its place of a lane.
func (t *Table) observeWork(r *request) {
	limited := r.client() != nil
	for i := range r.slots {
		t.observeWorkIn(r.slots[i].pool, r, limited)
	}
}

// observeWorkIn reports for how long a lease held its place of a pool that it leaves, if the pool is a lane. limited
// says whether per-ip limits the client.
func (t *Table) observeWorkIn(p *pool, r *request, limited bool) {
	if p.tally.class == throttle.Lane {
		t.observer.Worked(r.flow, limited, time.Since(r.since))
	}
}

// originalKey returns the key of the original's pool, or "".
func (t *Table) originalKey(r *request) string {
	for i := range r.slots {
		if key := r.slots[i].key; t.throttles.OfKey(key) == throttle.PerOriginal {
			return key
		}
	}
	return ""
}

// observeEnd reports the end of an edge's request. PoolCounter's clients have no name.
func (t *Table) observeEnd(r *request, end Ended) {
	if r.flow == "" {
		return
	}
	end.Client, end.Original = r.flow, t.originalKey(r)
	if r.thumbnail != nil {
		end.Thumbnail = r.thumbnail.key
	}
	t.observer.Ended(end)
}
