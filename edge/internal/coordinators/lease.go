package coordinators

import (
	"context"
	"errors"
	"slices"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// ErrNone says that no coordinator answers in the native protocol.
var ErrNone = errors.New("no coordinator answers")

// Lease is what one request holds.
type Lease struct {
	parent  *Coordinators
	request lease.Request
	at      []*link // who knows of it
}

func (h *Lease) knows(l *link) bool { return slices.Contains(h.at, l) }

// Acquire asks for a lease. When the answer is no grant the lease is nil. A
// request whose coordinator falls silent is asked again of the next, where it
// begins to wait anew. The error is ErrNone or the context's.
func (cs *Coordinators) Acquire(ctx context.Context, r lease.Request) (*Lease, lease.Answer, error) {
	for {
		l, c := cs.await(ctx)
		if c == nil {
			return nil, lease.Answer{}, errors.Join(ctx.Err(), ErrNone)
		}
		r.ID = cs.nextID()
		select {
		case answer, ok := <-c.sendRequest(r):
			if !ok {
				continue
			}
			if answer.Kind != lease.KindGranted {
				return nil, answer, nil
			}
			return cs.hold(l, c, r), answer, nil
		case <-ctx.Done():
			c.cancelRequest(r.ID)
			return nil, lease.Answer{}, ctx.Err()
		}
	}
}

func (cs *Coordinators) nextID() uint64 {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.ids++
	return cs.ids
}

// hold notes a granted lease. When its connection was lost meanwhile, or another
// coordinator is asked now, it is claimed at once.
func (cs *Coordinators) hold(l *link, c *conn, r lease.Request) *Lease {
	held := &Lease{parent: cs, request: r, at: []*link{l}}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.leases[r.ID] = held
	if l.conn != nil && l.conn != c {
		cs.claim(l, held)
	}
	if first := cs.preferred(); first != nil && first.conn != nil && first != l {
		cs.claim(first, held)
		held.at = append(held.at, first)
	}
	return held
}

// Release ends a lease at all who know of it. Who does not answer now hears of it
// when it does, if it still waits for the claim.
func (h *Lease) Release(o lease.Outcome, payload string) {
	cs := h.parent
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.leases[h.request.ID] == nil {
		return
	}
	delete(cs.leases, h.request.ID)
	for _, l := range h.at {
		switch {
		case l.conn != nil:
			l.conn.release(h.request.ID, o, payload)
		case len(l.ended) < mostEnded:
			l.ended[h.request.ID] = ended{o, payload}
		}
	}
}
