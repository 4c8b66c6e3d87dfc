package pools

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// MaxRequests is how many requests and leases of one owner the table takes.
const MaxRequests = 100_000

// thumbnailQueue bounds the requests that wait for one thumbnail.
const thumbnailQueue = 10_000

// owner is an edge with its requests and leases. It outlives its connections by
// lease.Grace.
type owner struct {
	table    *Table
	name     string
	status   string
	moved    time.Time // when it came here last
	receiver Receiver  // nil while its connection is lost
	rules    []*rule
	requests shrinking[uint64, *Request]
}

// Owner is what one connection can do in an edge's name, as long as no later
// connection has taken that name over.
type Owner struct {
	*owner
	receiver Receiver
}

// Attach gives a connection to the edge of that name. What that held over an
// earlier connection it has lease.Grace to claim. When the earlier one is not
// detached yet its receiver is returned: its time is over.
func (t *Table) Attach(name string, r Receiver) (o *Owner, earlier Receiver) {
	t.lock()
	defer t.unlock()
	known := t.owners[name]
	if known == nil {
		known = &owner{table: t, name: name, requests: newShrinking[uint64, *Request]()}
		t.owners[name] = known
	}
	if earlier = known.receiver; earlier != nil {
		known.lose()
	}
	known.receiver = r
	return &Owner{known, r}, earlier
}

// enter locks the table, and reports whether the connection may still act.
func (o *Owner) enter() bool {
	o.table.lock()
	return o.owner.receiver == o.receiver
}

// Detach takes a lost connection from its edge. Waits end with it; leases wait to
// be claimed.
func (o *Owner) Detach() {
	defer o.table.unlock()
	if o.enter() {
		o.lose()
	}
}

func (o *owner) lose() {
	o.receiver = nil
	now := time.Now()
	for _, r := range o.requests.entries {
		switch {
		case r.state == holding && r.lost.IsZero(): // else it waits already
			r.lost = now
		case r.state != holding:

			o.table.leave(r)
		}
	}
	time.AfterFunc(lease.Grace, o.bury)
}

// bury ends the leases that nobody claimed, and forgets an owner that is gone.
func (o *owner) bury() {
	t := o.table
	t.lock()
	defer t.unlock()
	for _, r := range o.requests.entries {
		if !r.lost.IsZero() && time.Since(r.lost) >= lease.Grace {
			t.counts.Vanished++
			t.end(r, lease.Vanished, "")
		}
	}
	if o.receiver == nil && len(o.requests.entries) == 0 && t.owners[o.name] == o {
		t.declare(o, nil)
		delete(t.owners, o.name)
	}
}

// SetRules replaces the limits that the owner's configuration has.
func (o *Owner) SetRules(rules []lease.Rule) {
	defer o.table.unlock()
	if o.enter() {
		o.table.declare(o.owner, rules)
	}
}

// SetStatus keeps what the edge tells operators of itself.
func (o *Owner) SetStatus(json string) {
	defer o.table.unlock()
	if o.enter() {
		o.status = json
	}
}

// rarely: a client that comes and goes must not stop everybody for long.
const rarely = 2 * time.Second

// Settle has the table grant nothing for lease.Settling: this owner has moved here,
// and others, who will, are to claim what they hold before that. An owner that
// moves again within two seconds is not waited for.
func (o *Owner) Settle() {
	defer o.table.unlock()
	if o.enter() && time.Since(o.moved) >= rarely {
		o.moved = time.Now()
		o.table.settleAll()
	}
}

// Acquire asks for a lease. The receiver hears the answer, possibly before
// Acquire returns.
func (o *Owner) Acquire(q lease.Request) {
	t := o.table
	defer t.unlock()
	if !o.enter() {
		return
	}
	r := o.request(q)
	if r == nil {
		return
	}
	if r.thumbnail != nil {
		t.ask(r)
	}
	if r.thumbnail == nil || r.thumbnail.held == 0 {
		t.enter(r)
		return
	}
	if r.thumbnail.asking.Len() > thumbnailQueue {
		t.refuse(r, -1, lease.Full)
		return
	}
	t.await(r)
}

// request understands what an owner asks for; nil when it was refused.
func (o *owner) request(q lease.Request) *Request {
	t := o.table
	refuse := func(why lease.Reason) *Request {
		t.tell(&Request{owner: o, id: q.ID}, lease.Answer{Kind: lease.KindRefused, Pool: -1, Reason: why})
		return nil
	}
	if len(o.requests.entries) >= MaxRequests {
		return refuse(lease.Overload)
	}
	if o.requests.entries[q.ID] != nil || !o.understands(q) {
		return refuse(lease.Malformed)
	}
	t.arrived++
	r := &Request{
		owner: o, id: q.ID, arrival: t.arrived, flow: q.Client, cost: uint64(max(q.Cost, 1)), at: -1, stood: -1,
		wait: time.Duration(min(q.Wait, maxWait)) * time.Millisecond,
	}
	r.slots = r.few[:0]
	for _, want := range q.Pools {
		rule := o.rules[want.Rule]
		r.slots = append(r.slots, slot{key: want.Key, rule: rule, places: min(want.Places, rule.workers, rule.maxQueue)})
	}
	if q.Thumbnail != "" {
		r.thumbnail = t.pool(q.Thumbnail)
	}
	o.requests.set(r.id, r)
	return r
}

const maxWait = 24 * 60 * 60 * 1000 // milliseconds

// understands reports whether each pool has a rule, and none comes twice.
func (o *owner) understands(q lease.Request) bool {
	for i, p := range q.Pools {
		if p.Rule >= len(o.rules) || p.Key == q.Thumbnail {
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

// enter lets a request into its pools: it is granted, stands in line, or is refused.
func (t *Table) enter(r *Request) {
	t.find(r)
	if full := t.consider(r); full >= 0 {
		t.refuse(r, full, lease.Full)
		return
	}
	t.take(r)
	at := t.obstacle(r)
	switch {
	case at < 0 && t.frozen && len(r.slots) > 0:
		t.queue(r, 0)
		t.unsettle(r.slots[0].pool)
	case at < 0:
		t.hold(r)
		for i := range r.slots {
			t.observer.Waited(r.slots[i].pool.tally.class, 0)
		}
		t.tell(r, lease.Answer{Kind: lease.KindGranted, Pool: -1, Shadow: r.shadow})
	case r.wait == 0:
		t.giveBack(r)
		t.refuse(r, at, lease.TimedOut)
	default:
		t.queue(r, at)
	}
}

// consider counts what the throttles would have to say, and gives the first pool
// whose queue is full, or -1.
func (t *Table) consider(r *Request) int {
	r.shadow = 0
	for i, s := range r.slots {
		p := s.pool
		if p.near(s.places) {
			p.tally.near++
		}
		switch {
		case p.rule.shadow && (p.full(s.places) || p.over(s.places)):
			r.shadow |= 1 << i
			p.tally.shadowed++
		case !p.rule.shadow && p.full(s.places):
			return i
		}
	}
	return -1
}

// Release ends a lease, and tells those who wait for its thumbnail. A request
// that still waits is cancelled; one that is not there was released before.
func (o *Owner) Release(id uint64, out lease.Outcome, payload string) {
	t := o.table
	defer t.unlock()
	if !o.enter() {
		return
	}
	if r := o.requests.entries[id]; r != nil {
		t.counts.Releases++
		t.end(r, out, payload)
	}
}

// end ends a request in whatever state.
func (t *Table) end(r *Request, out lease.Outcome, payload string) {
	if r.state != holding {
		t.leave(r)
		return
	}
	p := r.thumbnail
	t.free(r)
	t.drop(r)
	if p == nil {
		return
	}
	if out == lease.Stored {
		t.done(p, r.since)
	}
	t.finish(p, out, payload)
}

// finish tells owners who wait for a thumbnail how its render ended. When nobody
// knows, wake lets one of them in.
func (t *Table) finish(p *pool, out lease.Outcome, payload string) {
	answer := lease.Answer{Kind: lease.KindDone}
	switch out {
	case lease.Vanished:
		return
	case lease.Faulty:
		answer = lease.Answer{Kind: lease.KindFailed, Payload: payload}
	}
	t.eachAwaiting(p, func(r *Request) {
		t.times.WaitingForGood += time.Since(r.since)
		t.tell(r, answer)
		t.leave(r)
	})
}

// letIn lets those who wait for a render that nobody does any more try themselves.
// The first one that is granted makes the others wait again.
func (t *Table) letIn(p *pool) {
	t.eachAwaiting(p, func(r *Request) {
		if p.held == 0 {
			t.stopAwaiting(r)
			t.enter(r)
		}
	})
}

func (t *Table) eachAwaiting(p *pool, do func(*Request)) {
	for place := p.asking.Front(); place != nil; {
		r := place.Value.(*Request)
		place = place.Next()
		if r.state == awaiting {
			do(r)
		}
	}
}

// Claim holds a lease that the owner had over an earlier connection or at another
// coordinator, whatever the limits say: its render is under way.
func (o *Owner) Claim(q lease.Request) {
	t := o.table
	defer t.unlock()
	if !o.enter() {
		return
	}
	if r := o.requests.entries[q.ID]; r != nil {
		r.lost = time.Time{}
		return
	}
	r := o.request(q)
	if r == nil {
		return
	}
	if r.thumbnail != nil && r.thumbnail.held > 0 {
		t.unsettle(r.thumbnail)
		r.thumbnail = nil // another renders it too
	}
	t.find(r)
	t.take(r)
	t.hold(r)
	t.counts.Claimed++
}

func (o *owner) drop(r *Request) { o.requests.delete(r.id) }
