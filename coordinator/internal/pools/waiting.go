package pools

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// beginWait begins a wait, in line or for another request's render.
func (t *Table) beginWait(r *request, s state) {
	if r.state == idle {
		r.since = time.Now()
	}
	r.state = s
	t.counts.Waiting++
	t.waiting.set(r, struct{}{})
}

func (t *Table) endWait(r *request) {
	t.counts.Waiting--
	t.waiting.delete(r)
	if r.timer != nil {
		r.timer.Stop()
	}
}

// waitInLine begins a wait in the line of one pool. The wait ends by itself after r.wait. A request for
// anyone stands in no line: its slot is nil.
func (t *Table) waitInLine(r *request, at *slot) {
	t.beginWait(r, inLine)
	if at != nil {
		r.stand(at)
	}
	r.until = time.Now().Add(r.wait)
	if r.timer == nil {
		r.timer = time.AfterFunc(r.wait, func() { t.expire(r) })
		return
	}
	r.timer.Reset(r.wait)
}

// stand puts a request into the line of one of its pools.
func (r *request) stand(at *slot) {
	r.stands, r.stood = at, at
	at.pool.line.join(r)
}

// expire refuses a request at the end of its wait in line.
func (t *Table) expire(r *request) {
	t.lock()
	defer t.unlock()
	if r.state != inLine || time.Now().Before(r.until) {
		return
	}
	t.times.WastedTimeout += time.Since(r.since)
	t.refuse(r, r.lastStood(), lease.TimedOut)
}

// endLineWait ends a wait in line; the request's places stay counted.
func (t *Table) endLineWait(r *request) {
	t.endWait(r)
	t.leaveLine(r)
	t.unprotect(r)
	if r.forAnyone != nil {
		r.slots[0].pool.forAnyone.Remove(r.forAnyone)
		r.forAnyone = nil
	}
}

func (t *Table) leaveLine(r *request) {
	if r.stands != nil {
		p := r.stands.pool
		p.line.leave(r)
		t.markMovable(p) // the next in line may go on
		r.stands = nil
	}
}

// leavePools takes a request out of its line and its pools' queues. Its pools may then be dropped.
func (t *Table) leavePools(r *request) {
	t.endLineWait(r)
	t.uncountPlaces(r)
	for i := range r.slots {
		r.slots[i].pool = nil
	}
}
