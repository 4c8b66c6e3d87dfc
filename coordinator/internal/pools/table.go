// Package pools is the coordinator's lock table: who holds and who waits for
// places in which pool. It does no input or output; the protocols in front of it
// do.
//
// A pool exists while somebody holds or waits, so that past keys leave nothing
// behind. Two kinds of clients share the table:
//
// A Client is a connection of PoolCounter's protocol. It asks for one pool at a
// time and states the pool's limits itself. Those who must do the work themselves
// ("for me") go before those who only want it done ("for anyone"); each first
// come, first served.
//
// An Owner is an edge. Its requests are for several pools, all or none. A
// request that cannot be granted holds nothing. It has a place in each of its
// pools, so that the bounds of their queues count it, and stands in the line of
// one of them that has no room for it: its obstacle. When that pool has room and
// it is the request's turn, the request is granted, or goes on to stand at its
// next obstacle.
//
// Each line is fair among clients (line.go tells how). Requests of several pools
// cannot starve: one that had its turn MaxPassed times, and each time found
// another of its pools full, becomes overdue. The oldest overdue request of a
// pool is protected: all its pools keep places free for it, as the head of a
// batch queue has its reservation while others are backfilled around it (EASY;
// D. Lifka, "The ANL/IBM SP scheduling system", 1995). From then on nobody
// overtakes it. Protected requests have no pool in common, so that none waits for
// another; each is granted as soon as those who hold its pools now have ended.
// Of requests that share pools, the ones that became overdue first are protected
// first. So a request with n older overdue ones waits from then on for at most
// n + 1 lifetimes of a lease; it is never forgotten, and at most its own places
// stay idle for it.
//
// The pool of a thumbnail is acquired "for anyone": while another request
// renders it, a request waits for the outcome and has no place in other pools.
package pools

import (
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// MaxPassed is how often a request can find its turn of no use before places are
// kept for it.
const MaxPassed = 4

// spares is how many empty pools are kept to be used again.
const spares = 1024

// Receiver hears the answers to requests that had to wait.
type Receiver interface {
	// Receive takes an answer. It is called while the table is locked, and must
	// neither block nor call the table.
	Receive(lease.Answer)
	// Flush is called after Receive, when the table is free again.
	Flush()
}

// Observer hears what is measured. It is called while the table is locked.
type Observer interface {
	// Waited tells how long a request waited for pools of a class; 0 when it did not.
	Waited(throttle.Name, time.Duration)
	// Refused tells that a request for the pool of a key was refused, and by the pool of which
	// key: that one or another.
	Refused(key, by string)
}

// Table is all pools. Its methods, and those of its Clients and Owners, are safe
// for concurrent use.
type Table struct {
	throttles throttle.Table
	mu        sync.Mutex
	observer  Observer
	pools     shrinking[string, *pool]
	rules     map[string]*rule
	overrides map[string]Override
	owners    map[string]*owner
	waiting   shrinking[*Request, struct{}]
	overdue   []*Request // in the order in which they became so; the protected ones included
	arrived   uint64

	spare     []*pool
	frozen    bool    // nothing is granted to Owners
	unsettled []*pool // pools whose lines may move
	deferred  []*pool // those that may when nothing is frozen any more
	touched   []Receiver

	counts Counts
	times  Times
}

// New makes an empty table.
func New(o Observer) *Table {
	return &Table{
		throttles: throttle.All(), observer: o, pools: newShrinking[string, *pool](), rules: map[string]*rule{}, owners: map[string]*owner{},
		waiting: newShrinking[*Request, struct{}](), counts: newCounts(),
	}
}

func (t *Table) lock() { t.mu.Lock() }

// unlock moves the lines that may move, and then lets the receivers send.
func (t *Table) unlock() {
	t.settle()
	touched := t.touched
	t.touched = nil
	t.mu.Unlock()
	for _, r := range touched {
		r.Flush()
	}
}

// tell hands an answer over.
func (t *Table) tell(r *Request, a lease.Answer) {
	to := r.receiver()
	if to == nil {
		return // its connection is lost: it will claim what it holds, or not
	}
	a.ID = r.id
	to.Receive(a)
	if n := len(t.touched); n == 0 || t.touched[n-1] != to {
		t.touched = append(t.touched, to)
	}
}

func (t *Table) pool(key string) *pool {
	p := t.pools.entries[key]
	if p == nil {
		p = t.fresh()
		p.key, p.tally = key, t.counts.tally(t.throttles.OfKey(key))
		t.pools.set(key, p)
		t.counts.Pools++
	}
	return p
}

// fresh gives an empty pool, one that was used before if there is one: most pools
// live for one render.
func (t *Table) fresh() *pool {
	n := len(t.spare)
	if n == 0 {
		return &pool{}
	}
	p := t.spare[n-1]
	t.spare = t.spare[:n-1]
	return p
}

func (t *Table) unsettle(p *pool) {
	if !p.unsettled {
		p.unsettled = true
		t.unsettled = append(t.unsettled, p)
	}
}

// settle moves lines until none can move, and forgets pools that are empty.
func (t *Table) settle() {
	for len(t.unsettled) > 0 {
		p := t.unsettled[len(t.unsettled)-1]
		t.unsettled = t.unsettled[:len(t.unsettled)-1]
		if p.rule != nil && t.frozen {
			t.deferred = append(t.deferred, p)
			continue
		}
		p.unsettled = false
		t.wake(p)
		t.forget(p)
	}
}

func (t *Table) forget(p *pool) {
	if p.places == 0 && p.asking.Len() == 0 && t.pools.entries[p.key] == p {
		t.pools.delete(p.key)
		t.counts.Pools--
		if len(t.spare) < spares && !p.unsettled {
			*p = pool{}
			t.spare = append(t.spare, p)
		}
	}
}

// wake grants what can be granted in a pool's line, from its head on.
func (t *Table) wake(p *pool) {
	if p.held == 0 {
		t.letIn(p)
	}
	if r := p.protected; r != nil && t.obstacle(r) < 0 {
		t.grant(r)
	}
	if p.rule != nil && p.rule.shadow {
		t.letThrough(p)
	}
	for {
		r := p.next()
		if r == nil || !t.advance(p, r) {
			break
		}
	}
	p.handedOn = 0
}

// letThrough lets those go on whom a throttle in shadow mode does not stop, though
// a Client that it does stop may stand before them.
func (t *Table) letThrough(p *pool) {
	for _, r := range p.line.all() {
		// The one before may have sent it to wait for its render.
		if r.client == nil && r.at >= 0 && r.slots[r.at].pool == p {
			t.advance(p, r)
		}
	}
}

// advance lets the head of a pool's line go on, if it can.
func (t *Table) advance(p *pool, r *Request) bool {
	if r.client != nil {
		if !p.passesOn(r) {
			return false
		}
		t.grant(r)
		return true
	}
	at := t.obstacle(r)
	switch {
	case at < 0:
		t.grant(r)
		return true
	case r.slots[at].pool == p:
		return false
	}
	p.line.leave(r)
	t.stand(r, at)
	if r.passed++; r.passed == MaxPassed {
		t.overdue = append(t.overdue, r)
		t.protect()
	}
	return true
}

// obstacle is the first pool of a request that has no room for it, or -1.
func (t *Table) obstacle(r *Request) int {
	for i := range r.slots {
		if !r.slots[i].pool.fits(r, r.slots[i].places) {
			return i
		}
	}
	return -1
}

// protect keeps places for each overdue request that shares no pool with an
// older one.
func (t *Table) protect() {
	taken := map[*pool]bool{}
	for _, r := range t.overdue {
		free := true
		for i := range r.slots {
			free = free && !taken[r.slots[i].pool]
			taken[r.slots[i].pool] = true
		}
		if free && !r.protected {
			t.leaveLine(r)
			r.protected = true
			for i := range r.slots {
				r.slots[i].pool.protected = r
				t.unsettle(r.slots[i].pool)
			}
		}
	}
}

// unprotect ends what an overdue request was kept.
func (t *Table) unprotect(r *Request) {
	if r.passed < MaxPassed {
		return
	}
	for i, other := range t.overdue {
		if other == r {
			t.overdue = append(t.overdue[:i], t.overdue[i+1:]...)
			break
		}
	}
	if r.protected {
		r.protected = false
		for i := range r.slots {
			r.slots[i].pool.protected = nil
			t.unsettle(r.slots[i].pool)
		}
	}
	r.passed = 0
	t.protect()
}

// settleAll grants nothing to Owners for lease.Settling.
func (t *Table) settleAll() {
	if t.frozen {
		return
	}
	t.frozen = true
	time.AfterFunc(lease.Settling, func() {
		t.lock()
		defer t.unlock()
		t.thaw()
	})
}

func (t *Table) thaw() {
	t.frozen = false
	t.unsettled, t.deferred = append(t.unsettled, t.deferred...), nil
}
