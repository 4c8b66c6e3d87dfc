package pools

import "container/list"

// pool is one semaphore.
type pool struct {
	key       string
	tally     *tally
	rule      *rule  // its limits for Owners; nil while only Clients use it
	held      uint32 // places
	places    uint32 // held and waited for
	line      line
	forAnyone list.List // Clients' requests for anyone, after the line
	askers    list.List // Owners' requests for this thumbnail that do not hold it
	awaiting  uint32    // of these, those that wait for the one that holds it
	protected *request  // the overdue request that places are kept for
	handedOn  int       // leases and locks that ended since the line moved last, less those that began
	movable   bool      // it is among the table's movable pools
}

// next is the request whose turn it is; nil when none waits.
func (p *pool) next() *request {
	if r := p.line.head(); r != nil {
		return r
	}
	if first := p.forAnyone.Front(); first != nil {
		return first.Value.(*request)
	}
	return nil
}

// fits reports whether a request of an Owner can have its places now. It does not go before
// those that stand ahead of it in this pool's line.
func (p *pool) fits(r *request, places uint32) bool {
	if p.rule.shadow {
		return true
	}
	taken := p.held
	if p.protected != nil && p.protected != r {
		taken += p.protected.placesIn(p)
	}
	// A limit may have become lower than what one request needs: alone, it fits.
	if taken > 0 && taken+places > p.rule.workers {
		return false
	}
	head := p.line.head()
	return r.protected || head == nil || head == r || !p.line.before(head, r)
}

// passesOn reports whether a Client's request can be granted that states how many places there
// are. A place that becomes free goes to the next in line whatever limit that one stated, as at
// the original; but not when somebody else took it, or when edges have a lower limit.
func (p *pool) passesOn(stated uint32) bool {
	if p.rule != nil && !p.rule.shadow && p.held >= p.rule.workers {
		return false
	}
	return p.handedOn > 0 || p.held < stated
}

// full reports whether the pool's queue has no room for more.
func (p *pool) full(places uint32) bool {
	return p.places > 0 && p.places+places > p.rule.maxQueue
}

// over reports whether the places would be more than the pool has.
func (p *pool) over(places uint32) bool { return p.held+places > p.rule.workers }

// near reports whether the pool would be at more than four fifths of its limit:
// what Envoy's rate limiter counts as near_limit.
func (p *pool) near(places uint32) bool {
	return 5*uint64(p.held+places) > 4*uint64(p.rule.workers)
}
