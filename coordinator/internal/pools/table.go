// Package pools is the coordinator's lock table: who holds and who waits for
// places in which pool. It does no input or output; the protocols in front of it
// do.
//
// A pool exists while a request holds or waits, so that past keys leave nothing
// behind. Two kinds of clients share the table, which knows both as requesters
// (request.go) and asks no further which it serves:
//
// A Client is a connection of PoolCounter's protocol. It asks for one pool at a
// time and states the pool's limits itself. Those who must do the work themselves
// ("for me") go before those who only want it done ("for anyone"); each first
// come, first served.
//
// An Owner is an edge's connection. Its requests are for several pools, all or none. A
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

	mu       sync.Mutex
	observer Observer
	pools    shrinking[string, *pool]
	rules    map[string]*rule
	directed map[string]DirectedLimits
	edges    map[string]*edge
	waiting  shrinking[*request, struct{}]
	overdue  []*request // in the order in which they became so; the protected ones included
	arrived  uint64

	spare    []*pool
	movable  []*pool // pools whose lines may move
	settling bool    // nothing is granted to Owners
	deferred []*pool // pools whose lines may move when the table has settled
	touched  []Receiver

	counts Counts
	times  Times
}

// New makes an empty table.
func New(o Observer) *Table {
	return &Table{
		throttles: throttle.All(), observer: o, pools: newShrinking[string, *pool](), rules: map[string]*rule{}, edges: map[string]*edge{},
		waiting: newShrinking[*request, struct{}](), counts: newCounts(),
	}
}

func (t *Table) lock() { t.mu.Lock() }

// unlock moves the lines that may move, and then lets the receivers send.
func (t *Table) unlock() {
	t.moveLines()
	touched := t.touched
	t.touched = nil
	t.mu.Unlock()
	for _, r := range touched {
		r.Flush()
	}
}

// answer hands an answer to a request over.
func (t *Table) answer(r *request, a lease.Answer) {
	a.ID = r.id
	t.tell(r.by.connection(), a)
}

// tell hands an answer over, unless the connection is lost: the other side will claim what it
// holds, or not.
func (t *Table) tell(to Receiver, a lease.Answer) {
	if to == nil {
		return
	}
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

// markMovable notes that a pool's line may move, or that the pool may be empty.
func (t *Table) markMovable(p *pool) {
	if !p.movable {
		p.movable = true
		t.movable = append(t.movable, p)
	}
}

// moveLines moves lines until none can move, and drops pools that are empty.
func (t *Table) moveLines() {
	for len(t.movable) > 0 {
		p := t.movable[len(t.movable)-1]
		t.movable = t.movable[:len(t.movable)-1]
		if p.rule != nil && t.settling {
			t.deferred = append(t.deferred, p)
			continue
		}
		p.movable = false
		t.moveLine(p)
		t.dropEmpty(p)
	}
}

func (t *Table) dropEmpty(p *pool) {
	if p.places == 0 && p.askers.Len() == 0 && t.pools.entries[p.key] == p {
		t.pools.delete(p.key)
		t.counts.Pools--
		if len(t.spare) < spares && !p.movable {
			*p = pool{}
			t.spare = append(t.spare, p)
		}
	}
}

// moveLine grants what can be granted in a pool's line, from its head on.
func (t *Table) moveLine(p *pool) {
	if p.held == 0 {
		t.admitAwaiting(p)
	}
	if r := p.protected; r != nil && r.by.obstacle(r) == nil {
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

// letThrough lets those go on whom a rule in shadow mode does not stop, though a Client, who
// states its own limits, may stand before them.
func (t *Table) letThrough(p *pool) {
	for _, r := range p.line.all() {
		// The one before may have sent it to wait for its render.
		if s := r.stands; s != nil && s.pool == p && s.rule != nil {
			t.advance(p, r)
		}
	}
}

// advance lets the head of a pool's line go on, if it can: it is granted, or stands at the next
// pool that has no room for it.
func (t *Table) advance(p *pool, r *request) bool {
	obstacle := r.by.obstacle(r)
	switch {
	case obstacle == nil:
		t.grant(r)
		return true
	case obstacle.pool == p:
		return false
	}
	p.line.leave(r)
	r.stand(obstacle)
	t.passOver(r)
	return true
}
