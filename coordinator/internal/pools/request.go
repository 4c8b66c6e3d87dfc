package pools

import (
	"container/list"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

type state int

const (
	idle     state = iota
	inLine         // has a place in each pool, and stands in the line of one
	awaiting       // waits for another's render of its thumbnail
	holding
)

// Request is one request for places, and the lease or lock when it is granted.
type Request struct {
	owner   *owner // of a request for a lease
	client  *Client
	limits  poolcounter.Limits // of a Client's request
	id      uint64
	arrival uint64
	flow    string
	cost    uint64

	state     state
	slots     []slot
	few       [4]slot // room for slots
	thumbnail *pool
	at        int           // index of the slot in whose line it stands; -1 = in none
	stood     int           // the last one in whose line it stood; -1 = none
	asks      *list.Element // in its thumbnail's list, or in its pool's of those for anyone
	passed    int           // turns that were of no use
	protected bool
	shadow    uint64
	lost      time.Time // when its owner's connection was lost; zero once claimed

	since time.Time // when its state began
	wait  time.Duration
	until time.Time // end of its wait in line
	timer *time.Timer
}

// slot is a request's part of one pool. The pool is found when the request enters
// it: while it waits for another's render the pool may come and go.
type slot struct {
	key    string
	rule   *rule
	pool   *pool
	places uint32
}

// find finds the pools of a request.
func (t *Table) find(r *Request) {
	for i := range r.slots {
		s := &r.slots[i]
		s.pool = t.pool(s.key)
		s.pool.rule = s.rule
	}
}

func (r *Request) receiver() Receiver {
	if r.client != nil {
		return r.client.receiver
	}
	return r.owner.receiver
}

func (r *Request) placesIn(p *pool) (places uint32) {
	for i := range r.slots {
		if r.slots[i].pool == p {
			places += r.slots[i].places
		}
	}
	return places
}

// take gives a request its place in the queues of its pools.
func (t *Table) take(r *Request) {
	for i := range r.slots {
		p := r.slots[i].pool
		p.places += r.slots[i].places
		p.tally.waiters += int64(r.slots[i].places)
	}
}

func (t *Table) giveBack(r *Request) {
	for i := range r.slots {
		p := r.slots[i].pool
		p.places -= r.slots[i].places
		p.tally.waiters -= int64(r.slots[i].places)
		t.unsettle(p)
	}
}

// hold counts the places of a request as held instead of waited for.
func (t *Table) hold(r *Request) {
	for i := range r.slots {
		p, places := r.slots[i].pool, r.slots[i].places
		p.held += places
		p.handedOn = max(p.handedOn-1, 0)
		p.tally.waiters -= int64(places)
		p.tally.holders += int64(places)
		p.tally.granted++
		t.rendersNow(p)
		if p.line.head() != nil {
			p.line.served(r.flow, r.cost)
			t.unsettle(p) // its order may be another now
		}
	}
	if r.thumbnail != nil {
		t.holdThumbnail(r)
	}
	r.state, r.since = holding, time.Now()
	t.counts.Acquired++
	t.counts.Processing++
}

func (t *Table) holdThumbnail(r *Request) {
	p := r.thumbnail
	p.held++
	p.places++
	p.handedOn = max(p.handedOn-1, 0)
	p.tally.holders++
	t.stopAsking(r)
	t.rendersNow(p)
}

// rendersNow has those who ask for a thumbnail and stand in line elsewhere wait for
// the one that holds it.
func (t *Table) rendersNow(p *pool) {
	for e := p.asking.Front(); e != nil; e = e.Next() {
		if other := e.Value.(*Request); other.state == inLine {
			t.leaveLines(other)
			t.await(other)
		}
	}
}

// ask adds a request to those that want its thumbnail.
func (t *Table) ask(r *Request) {
	if r.asks == nil {
		r.asks = r.thumbnail.asking.PushBack(r)
	}
}

func (t *Table) stopAsking(r *Request) {
	if r.asks != nil {
		r.thumbnail.asking.Remove(r.asks)
		r.asks = nil
		t.unsettle(r.thumbnail)
	}
}

func (t *Table) await(r *Request) {
	t.begin(r, awaiting)
	r.thumbnail.awaiting++
	r.thumbnail.tally.waiters++
}

// begin begins a wait.
func (t *Table) begin(r *Request, s state) {
	if r.state == idle {
		r.since = time.Now()
	}
	r.state = s
	t.counts.Waiting++
	t.waiting.set(r, struct{}{})
}

// stand puts a request into the line of one of its pools.
func (t *Table) stand(r *Request, at int) {
	r.at, r.stood = at, at
	r.slots[at].pool.line.join(r)
}

func (t *Table) leaveLine(r *Request) {
	if r.at >= 0 {
		p := r.slots[r.at].pool
		p.line.leave(r)
		t.unsettle(p) // the next in line may go on
		r.at = -1
	}
}

// queue begins a wait in line, which ends by itself.
func (t *Table) queue(r *Request, at int) {
	t.begin(r, inLine)
	if at >= 0 {
		t.stand(r, at)
	}
	r.until = time.Now().Add(r.wait)
	if r.timer == nil {
		r.timer = time.AfterFunc(r.wait, func() { t.expire(r) })
		return
	}
	r.timer.Reset(r.wait)
}

func (t *Table) expire(r *Request) {
	t.lock()
	defer t.unlock()
	if r.state != inLine || time.Now().Before(r.until) {
		return
	}
	t.times.WastedTimeout += time.Since(r.since)
	t.refuse(r, max(r.stood, 0), lease.TimedOut)
}

// refuse ends a wait with a refusal by one of its pools; -1 is its thumbnail's.
func (t *Table) refuse(r *Request, at int, why lease.Reason) {
	p := r.thumbnail
	if at >= 0 {
		p = r.slots[at].pool
	}
	t.refused(p, why)
	for i := range r.slots { // the client and the original are refused, whichever pool did it
		if other := r.slots[i].pool; other != p {
			t.observer.Refused(other.key, p.key)
		}
	}
	t.tell(r, lease.Answer{Kind: lease.KindRefused, Pool: at, Reason: why, Shadow: r.shadow})
	t.leave(r)
}

func (t *Table) refused(p *pool, why lease.Reason) {
	p.tally.refusals[why]++
	t.observer.Refused(p.key, p.key)
	if why == lease.Full {
		t.counts.FullQueues++
	}
}

// leave ends a wait of whatever kind; the request is of no more use.
func (t *Table) leave(r *Request) {
	switch r.state {
	case inLine:
		t.leaveLines(r)
	case awaiting:
		t.stopAwaiting(r)
	}
	if r.thumbnail != nil {
		t.stopAsking(r)
	}
	t.drop(r)
}

func (t *Table) stopAwaiting(r *Request) {
	t.stopWaiting(r)
	r.thumbnail.awaiting--
	r.thumbnail.tally.waiters--
	r.state = idle
}

func (t *Table) stopWaiting(r *Request) {
	t.counts.Waiting--
	t.waiting.delete(r)
	if r.timer != nil {
		r.timer.Stop()
	}
}

// stepOut ends a wait in line; the places stay.
func (t *Table) stepOut(r *Request) {
	t.stopWaiting(r)
	t.leaveLine(r)
	t.unprotect(r)
	if r.client != nil && r.asks != nil {
		r.slots[0].pool.forAnyone.Remove(r.asks)
		r.asks = nil
	}
}

// leaveLines takes a request out of its line and its pools' queues; the pools may
// be forgotten then.
func (t *Table) leaveLines(r *Request) {
	t.stepOut(r)
	t.giveBack(r)
	for i := range r.slots {
		r.slots[i].pool = nil
	}
}

// drop forgets a request, and those of its pools that were made for it alone.
func (t *Table) drop(r *Request) {
	r.state = idle
	for i := range r.slots {
		if p := r.slots[i].pool; p != nil {
			t.unsettle(p)
		}
	}
	if r.thumbnail != nil {
		t.unsettle(r.thumbnail)
	}
	if r.owner != nil {
		r.owner.drop(r)
	} else {
		r.client.drop(r)
	}
}

// grant ends a wait in line with success.
func (t *Table) grant(r *Request) {
	t.measure(r)
	t.stepOut(r)
	t.hold(r)
	t.tell(r, lease.Answer{Kind: lease.KindGranted, Pool: r.stood, Shadow: r.shadow})
}

// measure counts the wait for the pool at which it ended, and none for the others.
func (t *Table) measure(r *Request) {
	waited := time.Since(r.since)
	t.times.Waiting += waited
	if r.client != nil && r.asks != nil {
		t.times.WaitingForAnyone += waited
	} else {
		t.times.WaitingForMe += waited
	}
	for i := range r.slots {
		if i == max(r.stood, 0) {
			t.observer.Waited(r.slots[i].pool.tally.class, waited)
		} else {
			t.observer.Waited(r.slots[i].pool.tally.class, 0)
		}
	}
}

// free gives back what is held; whoever waits for a place goes on.
func (t *Table) free(r *Request) {
	for i := range r.slots {
		p, places := r.slots[i].pool, r.slots[i].places
		p.held -= places
		p.places -= places
		p.handedOn++
		p.tally.holders -= int64(places)
		t.unsettle(p)
	}
	if p := r.thumbnail; p != nil {
		p.held--
		p.places--
		p.handedOn++
		p.tally.holders--
		t.unsettle(p)
	}
	t.counts.Processing--
	t.counts.ProcessedCount++
	t.times.Processing += time.Since(r.since)
}
