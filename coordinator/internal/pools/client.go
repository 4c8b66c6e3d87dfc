package pools

import (
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

// Client is one connection of PoolCounter's protocol: its locks, newest last.
// Only the newest can be a wait.
type Client struct {
	table    *Table
	receiver Receiver
	locks    []*request
	workers  uint32   // places that the newest request says its pool has
	spare    *request // the last one that ended, to be used again
}

// NewClient adds a client.
func (t *Table) NewClient(r Receiver) *Client { return &Client{table: t, receiver: r} }

// Acquire asks for a lock. The answer is "" when the client now waits: its
// receiver hears of KindGranted, KindDone, or KindRefused when the time is over.
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

// add makes a lock that is neither held nor waited for yet. All of PoolCounter's
// clients stand in line as one, in the order in which they came.
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

// obstacle implements requester: the request is the newest, since it waits.
func (c *Client) obstacle(r *request) *slot {
	if s := &r.slots[0]; !s.pool.passesOn(c.workers) {
		return s
	}
	return nil
}

// forget implements requester.
func (c *Client) forget(r *request) {
	for i, lock := range slices.Backward(c.locks) { // it is the newest, nearly always
		if lock == r {
			c.locks = slices.Delete(c.locks, i, i+1)
			c.spare = r
			return
		}
	}
}

// Release gives back the newest lock, and tells those who wait for anyone that
// the work is done. It also ends a wait, when that is the newest.
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

// Leave frees everything that the client holds or waits for, newest first.
func (c *Client) Leave() {
	c.table.lock()
	defer c.table.unlock()
	for len(c.locks) > 0 {
		c.table.end(c.newest(), lease.Vanished, "")
	}
}

// endWaitsForAnyone ends all of PoolCounter's waits for anyone in a pool.
func (t *Table) endWaitsForAnyone(p *pool, since time.Time) {
	for p.forAnyone.Len() > 0 {
		r := p.forAnyone.Front().Value.(*request)
		t.times.WaitingForGood += time.Since(r.since)
		t.times.Gained += time.Since(since)
		t.answer(r, lease.Answer{Kind: lease.KindDone})
		t.abandon(r)
	}
}
