package pools

import (
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

// Client is one connection of PoolCounter's protocol with its locks, the newest last. Only the newest
// can still wait.
type Client struct {
	table    *Table
	receiver Receiver
	locks    []*request
	workers  uint32   // the limit that the newest request states for its pool
	spare    *request // the last request that ended, for reuse
}

func (t *Table) NewClient(r Receiver) *Client { return &Client{table: t, receiver: r} }

// Acquire asks for a lock and returns the answer. It returns "" if the client must wait: the receiver
// then gets KindGranted, KindDone, or KindRefused at the end of the wait.
func (c *Client) Acquire(cmd poolcounter.Command) poolcounter.Answer {
	t := c.table
	t.lock()
	defer t.unlock()
	if len(c.locks) >= poolcounter.MaxLocks {
		t.counts.LockMismatch++
		return poolcounter.LockHeld
	}
	if len(c.locks) > 0 && c.newest().state != holding {
		t.counts.LockWhileWaiting++
		return poolcounter.MustWait
	}
	if cmd.Malformed {
		return poolcounter.BadSyntax
	}
	return c.acquire(cmd)
}

func (c *Client) newest() *request { return c.locks[len(c.locks)-1] }

func (c *Client) acquire(cmd poolcounter.Command) poolcounter.Answer {
	t := c.table
	p := t.pool(cmd.Key)
	switch {
	case p.places >= cmd.Limits.MaxQueue:
		t.countRefusal(p, lease.Full)
		return poolcounter.QueueFull
	case p.held < cmd.Limits.Workers:
		r := c.add(p, cmd.Limits)
		t.countPlaces(r)
		t.holdAtOnce(r)
		return poolcounter.Locked
	case cmd.Limits.Timeout == 0:
		t.countRefusal(p, lease.TimedOut)
		return poolcounter.Timeout
	}
	r := c.add(p, cmd.Limits)
	t.countPlaces(r)
	if cmd.ForAnyone {
		r.forAnyone = p.forAnyone.PushBack(r)
		t.waitInLine(r, nil)
	} else {
		t.waitInLine(r, &r.slots[0])
	}
	return ""
}

// add makes a lock that is neither held nor waited for yet. All PoolCounter clients are one flow in a
// line, in the order of arrival.
func (c *Client) add(p *pool, limits poolcounter.Limits) *request {
	t := c.table
	t.arrived++
	r := c.spare
	c.spare = nil
	if r == nil {
		r = &request{by: c, cost: 1}
	}
	c.workers = limits.Workers
	r.arrival, r.stands, r.stood = t.arrived, nil, nil
	r.wait = time.Duration(limits.Timeout) * time.Second
	r.slots = append(r.few[:0], slot{pool: p, places: 1})
	c.locks = append(c.locks, r)
	return r
}

// connection implements requester.
func (c *Client) connection() Receiver { return c.receiver }

// obstacle implements requester. A waiting request is always the client's newest one.
func (c *Client) obstacle(r *request) *slot {
	if s := &r.slots[0]; !s.pool.passesOn(c.workers) {
		return s
	}
	return nil
}

// forget implements requester.
func (c *Client) forget(r *request) {
	for i, lock := range slices.Backward(c.locks) { // nearly always the newest
		if lock == r {
			c.locks = slices.Delete(c.locks, i, i+1)
			c.spare = r
			return
		}
	}
}

// Release gives back the newest lock, and tells requests for anyone that the work is done. If the
// newest request still waits, Release ends its wait.
func (c *Client) Release() poolcounter.Answer {
	t := c.table
	t.lock()
	defer t.unlock()
	if len(c.locks) == 0 {
		t.counts.ReleaseMismatch++
		return poolcounter.NotLocked
	}
	t.counts.Releases++
	r := c.newest()
	p, since := r.slots[0].pool, r.since
	t.end(r, lease.Vanished, "")
	t.endWaitsForAnyone(p, since)
	t.tellAwaiting(p, lease.Stored, "")
	return poolcounter.Released
}

// Leave frees all locks and ends the wait of the client, newest first.
func (c *Client) Leave() {
	c.table.lock()
	defer c.table.unlock()
	for len(c.locks) > 0 {
		c.table.end(c.newest(), lease.Vanished, "")
	}
}

// endWaitsForAnyone tells all PoolCounter requests for anyone in a pool that the work is done.
func (t *Table) endWaitsForAnyone(p *pool, since time.Time) {
	for p.forAnyone.Len() > 0 {
		r := p.forAnyone.Front().Value.(*request)
		t.times.WaitingForGood += time.Since(r.since)
		t.times.Gained += time.Since(since)
		t.answer(r, lease.Answer{Kind: lease.KindDone})
		t.abandon(r)
	}
}
