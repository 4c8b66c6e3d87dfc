package pools

import "container/list"

// pool is one semaphore.
type pool struct {
	key       string
	tally     *tally
	rule      *rule  // its limits for Owners; nil while only Clients use the pool
	held      uint32 // places
	places    uint32 // held and waited for
	shares    shares // of a lane: these places by client
	line      line
	forAnyone list.List // Clients' requests for anyone, after the line
	askers    list.List // Owners' requests that want this thumbnail and do not hold it
	awaiting  uint32    // askers that wait for the holder's render
	protected *request  // the overdue request that places are kept for
	handedOn  int       // leases and locks that ended since the line last moved, less those that began
	movable   bool      // is in the table's list of movable pools
}

// next returns the request whose turn it is, or nil.
func (p *pool) next() *request {
	if r := p.line.head(); r != nil {
		return r
	}
	if first := p.forAnyone.Front(); first != nil {
		return first.Value.(*request)
	}
	return nil
}

// fits reports whether an Owner's request can have its places now. The request does not go before
// others that stand ahead of it in this pool's line.
func (p *pool) fits(r *request, places uint32) bool {
	if p.rule.shadow {
		return true
	}
	taken := p.held
	if p.protected != nil && p.protected != r {
		taken += p.protected.placesIn(p)
	}
	// A limit may sink below the places of one request: a request alone always fits.
	if taken > 0 && taken+places > p.rule.workers {
		return false
	}
	head := p.line.head()
	return r.protected || head == nil || head == r || !p.line.before(head, r)
}

// passesOn reports whether a Client's request can be granted; stated is the limit in that request. A
// free place goes to the next in line even above the limit that its request states, as at the original,
// but not if somebody else took the place or edges have a lower limit.
func (p *pool) passesOn(stated uint32) bool {
	if p.rule != nil && !p.rule.shadow && p.held >= p.rule.workers {
		return false
	}
	return p.handedOn > 0 || p.held < stated
}

// full reports whether the pool's queue has no room for so many places.
func (p *pool) full(places uint32) bool {
	return p.places > 0 && p.places+places > p.rule.maxQueue
}

// over reports whether so many more places exceed the pool's limit.
func (p *pool) over(places uint32) bool { return p.held+places > p.rule.workers }

// near reports whether so many more places take the pool above four fifths of its limit, where Envoy's
// rate limiter counts near_limit.
func (p *pool) near(places uint32) bool {
	return 5*uint64(p.held+places) > 4*uint64(p.rule.workers)
}
