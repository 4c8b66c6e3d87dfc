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
	locks    []*Request
	spare    *Request // the last one that ended, to be used again
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
	if n := len(c.locks); n > 0 && c.locks[n-1].state != holding {
		t.counts.LockWhileWaiting++
		return poolcounter.MustWait
	}
	if cmd.Malformed {
		return poolcounter.BadSyntax
	}
	return c.acquire(cmd)
}

func (c *Client) acquire(cmd poolcounter.Command) poolcounter.Answer {
	t := c.table
	p := t.pool(cmd.Key)
	switch {
	case p.places >= cmd.Limits.MaxQueue:
		t.refused(p, lease.Full)
		return poolcounter.QueueFull
	case p.held < cmd.Limits.Workers:
		t.take(c.add(p, cmd))
		t.hold(c.locks[len(c.locks)-1])
		t.observer.Waited(p.tally.class, 0)
		return poolcounter.Locked
	case cmd.Limits.Timeout == 0:
		t.refused(p, lease.TimedOut)
		return poolcounter.Timeout
	}
	r := c.add(p, cmd)
	t.take(r)
	if cmd.ForAnyone {
		r.asks = p.forAnyone.PushBack(r)
		t.queue(r, -1)
	} else {
		t.queue(r, 0)
	}
	return ""
}

// add makes a lock that is neither held nor waited for yet. All of PoolCounter's
// clients stand in line as one, in the order in which they came.
func (c *Client) add(p *pool, cmd poolcounter.Command) *Request {
	t := c.table
	t.arrived++
	r := c.spare
	c.spare = nil
	if r == nil {
		r = &Request{client: c, cost: 1}
	}
	r.limits, r.arrival, r.at, r.stood = cmd.Limits, t.arrived, -1, -1
	r.wait = time.Duration(cmd.Limits.Timeout) * time.Second
	r.slots = append(r.few[:0], slot{pool: p, places: 1})
	c.locks = append(c.locks, r)
	return r
}

func (c *Client) drop(r *Request) {
	for i := len(c.locks) - 1; i >= 0; i-- { // it is the newest, nearly always
		if c.locks[i] == r {
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
	r := c.locks[len(c.locks)-1]
	p, since := r.slots[0].pool, r.since
	c.end(r)
	t.done(p, since)
	t.finish(p, lease.Stored, "")
	return poolcounter.Released
}

func (c *Client) end(r *Request) {
	if r.state == holding {
		c.table.free(r)
		c.table.drop(r)
		return
	}
	c.table.leave(r)
}

// Leave frees everything that the client holds or waits for, newest first.
func (c *Client) Leave() {
	c.table.lock()
	defer c.table.unlock()
	for len(c.locks) > 0 {
		c.end(c.locks[len(c.locks)-1])
	}
}

// done ends all of PoolCounter's waits for anyone in a pool.
func (t *Table) done(p *pool, since time.Time) {
	for p.forAnyone.Len() > 0 {
		r := p.forAnyone.Front().Value.(*Request)
		t.times.WaitingForGood += time.Since(r.since)
		t.times.Gained += time.Since(since)
		t.tell(r, lease.Answer{Kind: lease.KindDone})
		t.leave(r)
	}
}
