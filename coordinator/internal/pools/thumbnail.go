package pools

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// maxAskers bounds the requests that want one thumbnail and do not hold it.
const maxAskers = 10_000

// begin lets a new request into its pools, or makes it wait while another request renders its
// thumbnail.
func (t *Table) begin(r *request) {
	p := r.thumbnail
	if p != nil {
		t.joinAskers(r)
	}
	switch {
	case p == nil || p.held == 0:
		t.admit(r)
	case p.askers.Len() > maxAskers:
		t.refuse(r, nil, lease.Full)
	default:
		t.awaitRender(r)
	}
}

// joinAskers adds a request to the askers of its thumbnail.
func (t *Table) joinAskers(r *request) {
	if r.asks == nil {
		r.asks = r.thumbnail.askers.PushBack(r)
	}
}

func (t *Table) leaveAskers(r *request) {
	if r.asks != nil {
		r.thumbnail.askers.Remove(r.asks)
		r.asks = nil
		t.markMovable(r.thumbnail)
	}
}

func (t *Table) holdThumbnail(r *request) {
	p := r.thumbnail
	p.held++
	p.places++
	p.handedOn = max(p.handedOn-1, 0)
	p.tally.holders++
	t.leaveAskers(r)
	t.sendToAwait(p)
}

// sendToAwait takes the askers of a thumbnail out of their lines: they wait for the request that holds
// the thumbnail from now on.
func (t *Table) sendToAwait(p *pool) {
	for e := p.askers.Front(); e != nil; e = e.Next() {
		if other := e.Value.(*request); other.state == inLine {
			t.leavePools(other)
			t.awaitRender(other)
		}
	}
}

func (t *Table) awaitRender(r *request) {
	t.beginWait(r, awaiting)
	r.thumbnail.awaiting++
	r.thumbnail.tally.waiters++
}

func (t *Table) endAwaiting(r *request) {
	t.endWait(r)
	r.thumbnail.awaiting--
	r.thumbnail.tally.waiters--
	r.state = idle
}

// tellAwaiting tells the requests that wait for a thumbnail how its render ended. If the render
// vanished, moveLine lets one of them in instead.
func (t *Table) tellAwaiting(p *pool, out lease.Outcome, payload string) {
	answer := lease.Answer{Kind: lease.KindDone}
	switch out {
	case lease.Vanished:
		return
	case lease.Faulty:
		answer = lease.Answer{Kind: lease.KindFailed, Payload: payload}
	}
	eachAwaiting(p, func(r *request) {
		t.times.WaitingForGood += time.Since(r.since)
		t.answer(r, answer)
		t.abandon(r)
	})
}

// admitAwaiting admits requests that wait for a vanished render. Once one of them is granted, the
// others wait again.
func (t *Table) admitAwaiting(p *pool) {
	eachAwaiting(p, func(r *request) {
		if p.held == 0 {
			t.endAwaiting(r)
			t.admit(r)
		}
	})
}

func eachAwaiting(p *pool, do func(*request)) {
	for place := p.askers.Front(); place != nil; {
		r := place.Value.(*request)
		place = place.Next()
		if r.state == awaiting {
			do(r)
		}
	}
}
