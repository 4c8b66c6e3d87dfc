package pools

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// MaxRequests bounds the requests and leases of one edge.
const MaxRequests = 100_000

// Owner lets one connection act in an edge's name until a later connection takes the name over.
type Owner struct {
	edge     *edge
	receiver Receiver
}

// Attach connects the edge of a name. The edge has lease.Grace to claim its leases of an earlier
// connection. If the earlier connection is not detached yet, Attach returns its receiver, and the
// caller must end it.
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

// act calls do with the table locked, if the connection still has the edge's name.
func (o *Owner) act(do func(*edge)) {
	o.edge.table.lock()
	defer o.edge.table.unlock()
	if o.edge.receiver == o.receiver {
		do(o.edge)
	}
}

// Detach takes a lost connection from its edge. Waits end at once; leases wait for a claim.
func (o *Owner) Detach() { o.act((*edge).loseConnection) }

// SetRules replaces the limits that the edge declares.
func (o *Owner) SetRules(rules []lease.Rule) {
	o.act(func(e *edge) { e.table.declare(e, rules) })
}

// SetStatus keeps the edge's own status for operators.
func (o *Owner) SetStatus(json string) { o.act(func(e *edge) { e.status = json }) }

// settleAgainAfter bounds how often one edge can make the table settle: an edge that comes and goes
// must not stop everybody for long.
const settleAgainAfter = 2 * time.Second

// Settle stops new grants for lease.Settling, because this edge moved here: other edges that move claim
// their leases in that time. A second move within two seconds changes nothing.
func (o *Owner) Settle() {
	o.act(func(e *edge) {
		if time.Since(e.moved) >= settleAgainAfter {
			e.moved = time.Now()
			e.table.beginSettling()
		}
	})
}

// Acquire asks for a lease. The receiver gets the answer, possibly before Acquire returns.
func (o *Owner) Acquire(q lease.Request) {
	o.act(func(e *edge) {
		if r := e.newRequest(q); r != nil {
			e.table.begin(r)
		}
	})
}

// TurnAway counts a request that the edge refused itself, in the name of the request's first pool. The
// receiver gets no answer. A request of unknown rules changes nothing.
func (o *Owner) TurnAway(q lease.Request, why lease.Reason) {
	o.act(func(e *edge) {
		if len(q.Pools) > 0 && e.understands(q) {
			e.table.turnAway(e.build(q), why)
		}
	})
}

// Claim holds a lease that the edge got over an earlier connection or at another coordinator, beyond
// any limit: its render is under way.
func (o *Owner) Claim(q lease.Request) { o.act(func(e *edge) { e.claim(q) }) }

// Spend charges the client of a lease, and the lease's original, with the processor time that the render took. An
// unknown id, or a request that holds nothing, changes nothing.
func (o *Owner) Spend(id uint64, took time.Duration) {
	o.act(func(e *edge) {
		if r := e.requests.entries[id]; r != nil && r.state == holding {
			e.table.spend(r, took)
		}
	})
}

// Release ends a lease and tells the requests that wait for its thumbnail. It cancels a request that
// still waits. An unknown id was released before and changes nothing.
func (o *Owner) Release(id uint64, out lease.Outcome, payload string) {
	o.act(func(e *edge) {
		if r := e.requests.entries[id]; r != nil {
			e.table.counts.Releases++
			e.table.end(r, out, payload)
		}
	})
}
