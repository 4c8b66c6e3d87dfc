package coordinators

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// ErrNone means that no coordinator answers in the native protocol.
var ErrNone = errors.New("no coordinator answers")

// Lease is a granted request.
type Lease struct {
	parent  *Coordinators
	request lease.Request
	at      []*link // the coordinators that know the lease
}

func (h *Lease) knows(l *link) bool { return slices.Contains(h.at, l) }

// Acquire asks for a lease. The lease is nil unless the answer is a grant. When the coordinator
// falls silent, Acquire asks the next one, and the request's wait starts again there. The error is
// ErrNone or the context's error.
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

// hold records a granted lease. When the lease's connection was replaced meanwhile, or when the
// edge asks another coordinator now, hold claims the lease there.
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

// Release ends a lease at all coordinators that know the lease. Only the first call counts. A
// coordinator that is down gets the outcome when it answers again. The link keeps at most
// mostEnded outcomes for it.
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

// Spend tells the coordinator that is asked the processor time of the lease's render, so that it is charged to the
// client. It does nothing for no time, and for coordinators before 0.10.
func (h *Lease) Spend(took time.Duration) {
	ms := uint32(min(took, time.Hour).Milliseconds()) //nolint:gosec // bounded
	cs := h.parent
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if l := cs.preferred(); ms > 0 && cs.leases[h.request.ID] != nil && l != nil && l.conn != nil && l.conn.counts && h.knows(l) {
		l.conn.sendFrame(func(out []byte) []byte { return lease.AppendSpent(out, h.request.ID, ms) })
	}
}

// Narrow gives back the places in the pools that drop names, and keeps the others: the edge claims the
// lease again without those pools. Coordinators before 0.10 keep the places until Release.
func (h *Lease) Narrow(drop func(lease.Pool) bool) {
	cs := h.parent
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.leases[h.request.ID] == nil {
		return
	}
	h.request.Pools = slices.DeleteFunc(slices.Clone(h.request.Pools), drop)
	for _, l := range h.at {
		if l.conn != nil {
			cs.claim(l, h)
		}
	}
}
