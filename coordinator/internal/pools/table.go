package pools

import (
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// spares bounds the empty pools kept for reuse.
const spares = 1024

// Receiver receives the answers to requests.
type Receiver interface {
	// Receive takes an answer. The table is locked during the call: Receive must neither block nor call
	// the table.
	Receive(lease.Answer)
	// Flush is called after Receive, once the table is unlocked.
	Flush()
}

// Observer receives measurements. The table is locked during each call.
type Observer interface {
	// Waited reports how long a request waited for pools of a class; 0 without a wait.
	Waited(throttle.Name, time.Duration)
	// Refused reports a refused request for the pool of key, and the key of the pool that refused it:
	// the same pool or another.
	Refused(key, by string)
	// Worked reports for how long a lease of a client held a place of a lane that it gives back, and whether
	// per-ip limits the client.
	Worked(client string, limited bool, held time.Duration)
	// Spent reports the processor time of a render for a client, and the key of the original's pool, or "".
	Spent(client, original string, took time.Duration)
	// Turned reports a refused request of a client and the class of the pool that refused.
	Turned(client string, by throttle.Name)
	// Ended reports the end of an edge's request: a refusal, or the end of a lease.
	Ended(Ended)
}

// unobserved is the observer of a table without one.
type unobserved struct{}

func (unobserved) Waited(throttle.Name, time.Duration) {}
func (unobserved) Refused(string, string)              {}
func (unobserved) Worked(string, bool, time.Duration)  {}
func (unobserved) Spent(string, string, time.Duration) {}
func (unobserved) Turned(string, throttle.Name)        {}
func (unobserved) Ended(Ended)                         {}

// Ended is a request of an edge that ended. Keys are empty for pools that the request did not ask for.
type Ended struct {
	Client    string
	Original  string        // key of the original's pool
	Thumbnail string        // key of the thumbnail's pool
	Refused   throttle.Name // class of the pool that refused; "" after a lease
	Outcome   lease.Outcome // of a lease
	Payload   string        // message of a faulty lease
	Held      time.Duration // how long the lease held its places
}

// Table holds all pools. Its methods, and the methods of its Clients and Owners, are safe for
// concurrent use.
type Table struct {
	throttles throttle.Table

	mu       sync.Mutex
	observer Observer
	pools    shrinking[string, *pool]
	rules    map[string]*rule
	directed map[string]DirectedLimits
	edges    map[string]*edge
	waiting  shrinking[*request, struct{}]
	overdue  []*request // the request that became overdue first comes first; includes the protected ones
	arrived  uint64

	spare    []*pool
	movable  []*pool   // pools whose lines may move
	settling bool      // grant nothing to Owners
	settled  time.Time // when that last began
	deferred []*pool   // pools whose lines may move once the table has settled
	touched  []Receiver

	counts Counts
	times  Times
}

// New makes an empty table. A nil observer observes nothing.
func New(o Observer) *Table {
	if o == nil {
		o = unobserved{}
	}
	return &Table{
		throttles: throttle.All(), observer: o, pools: newShrinking[string, *pool](), rules: map[string]*rule{}, edges: map[string]*edge{},
		waiting: newShrinking[*request, struct{}](), counts: newCounts(),
	}
}

func (t *Table) lock() { t.mu.Lock() }

// Await returns once no other goroutine locks the table.
func (t *Table) Await() {
	t.mu.Lock()
	t.mu.Unlock() //nolint:staticcheck // Await only waits for the lock
}

// unlock moves the lines that may move, and then tells the receivers to send.
func (t *Table) unlock() {
	t.moveLines()
	touched := t.touched
	t.touched = nil
	t.mu.Unlock()
	for _, r := range touched {
		r.Flush()
	}
}

// answer sends an answer to a request's connection.
func (t *Table) answer(r *request, a lease.Answer) {
	a.ID = r.id
	t.tell(r.by.connection(), a)
}

// tell sends an answer, unless the connection is lost: the edge then claims its leases after
// reconnecting.
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

// fresh returns an empty pool, a used one if possible: most pools live for one render.
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

// moveLines moves lines until no line can move, and drops empty pools.
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

// moveLine grants requests in a pool's line, from the head on, until one cannot be granted.
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

// letThrough lets requests of a rule in shadow mode go on. A Client, which states its own limits, may
// stand before them.
func (t *Table) letThrough(p *pool) {
	for _, r := range p.line.all() {
		// An earlier request of this loop may have sent r to wait for its render.
		if s := r.stands; s != nil && s.pool == p && s.rule != nil {
			t.advance(p, r)
		}
	}
}

// advance lets the head of a pool's line go on if it can, and reports that: the request is granted, or
// goes to the next pool without room.
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
