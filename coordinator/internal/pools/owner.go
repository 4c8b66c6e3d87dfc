package pools

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// MaxRequests is how many requests and leases of one edge the table takes.
const MaxRequests = 100_000

// Owner is what one connection can do in an edge's name, as long as no later
// connection has taken that name over.
type Owner struct {
	edge     *edge
	receiver Receiver
}

// Attach gives a connection to the edge of that name. What that held over an
// earlier connection it has lease.Grace to claim. When the earlier one is not
// detached yet its receiver is returned: its time is over.
func (t *Table) Attach(name string, r Receiver) (o *Owner, earlier Receiver) {
	t.lock()
	defer t.unlock()
	e := t.edges[name]
	if e == nil {
		e = &edge{table: t, name: name, requests: newShrinking[uint64, *request]()}
		t.edges[name] = e
	}
	if earlier = e.receiver; earlier != nil {
		e.loseConnection()
	}
	e.receiver = r
	return &Owner{e, r}, earlier
}

// act locks the table and does something in the edge's name, if the connection still may.
func (o *Owner) act(do func(*edge)) {
	o.edge.table.lock()
	defer o.edge.table.unlock()
	if o.edge.receiver == o.receiver {
		do(o.edge)
	}
}

// Detach takes a lost connection from its edge. Waits end with it; leases wait to
// be claimed.
func (o *Owner) Detach() { o.act((*edge).loseConnection) }

// SetRules replaces the limits that the edge's configuration has.
func (o *Owner) SetRules(rules []lease.Rule) {
	o.act(func(e *edge) { e.table.declare(e, rules) })
}

// SetStatus keeps what the edge tells operators of itself.
func (o *Owner) SetStatus(json string) { o.act(func(e *edge) { e.status = json }) }

// settleAgainAfter bounds how often one edge can make the table settle: one that comes and goes
// must not stop everybody for long.
const settleAgainAfter = 2 * time.Second

// Settle makes the table grant nothing for lease.Settling: this edge has moved here, and in that
// time others that move claim what they hold. Moving again within two seconds changes nothing.
func (o *Owner) Settle() {
	o.act(func(e *edge) {
		if time.Since(e.moved) >= settleAgainAfter {
			e.moved = time.Now()
			e.table.beginSettling()
		}
	})
}

// Acquire asks for a lease. The receiver hears the answer, possibly before
// Acquire returns.
func (o *Owner) Acquire(q lease.Request) {
	o.act(func(e *edge) {
		if r := e.newRequest(q); r != nil {
			e.table.begin(r)
		}
	})
}

// Claim holds a lease that the edge had over an earlier connection or at another
// coordinator, whatever the limits say: its render is under way.
func (o *Owner) Claim(q lease.Request) { o.act(func(e *edge) { e.claim(q) }) }

// Release ends a lease, and tells those who wait for its thumbnail. A request
// that still waits is cancelled; one that is not there was released before.
func (o *Owner) Release(id uint64, out lease.Outcome, payload string) {
	o.act(func(e *edge) {
		if r := e.requests.entries[id]; r != nil {
			e.table.counts.Releases++
			e.table.end(r, out, payload)
		}
	})
}
