// Package pools is the coordinator's lock table: which client holds and which
// waits for a slot of which pool. It does no input or output and starts no
// timers; the protocol in front of it does.
//
// A pool exists while somebody holds or waits, so that past keys leave nothing
// behind. Its limits are not its own: each request states them, as PoolCounter
// has it. Those who must do the work themselves ("for me") go before those who
// only want it done ("for anyone"); within each, first come first served. A
// release tells all who wait for anyone that the work is done; a disconnect does
// not, since then it is not.
package pools

import (
	"container/list"
	"maps"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

// Table is all pools. Its methods are safe for concurrent use.
type Table struct {
	mu     sync.Mutex
	now    func() time.Time
	pools  map[string]*pool
	counts Counts
	times  Times
}

// Counts are what the table counted, in the words of PoolCounter's statistics.
type Counts struct {
	Acquired         int64 // total_acquired
	Releases         int64 // total_releases
	Processing       int64 // processing_workers: holders now
	Waiting          int64 // waiting_workers: waiters now
	FullQueues       int64 // full_queues: refusals
	LockMismatch     int64 // lock_mismatch: a fifth lock on one connection
	LockWhileWaiting int64 // lock_while_waiting
	ReleaseMismatch  int64 // release_mismatch: RELEASE without a lock
	ProcessedCount   int64 // processed_count: locks that ended
	Pools            int64 // hashtable_entries: pools now
	HoldersBy        map[poolcounter.Class]int64
	WaitersBy        map[poolcounter.Class]int64
}

// Times are sums of durations, in the words of PoolCounter's statistics.
type Times struct {
	Processing       time.Duration // held
	Gained           time.Duration // work that waiters for anyone were spared
	Waiting          time.Duration // until a lock was held
	WaitingForMe     time.Duration // of these, ACQ4ME
	WaitingForAnyone time.Duration // of these, ACQ4ANY
	WaitingForGood   time.Duration // until another's work was done
	WastedTimeout    time.Duration // in vain
}

type pool struct {
	key              string
	class            poolcounter.Class
	holders          int
	count            uint32 // holders and waiters
	forMe, forAnyone list.List
}

type state int

const (
	holding state = iota
	waitingForMe
	waitingForAnyone
)

type lock struct {
	client *Client
	pool   *pool
	state  state
	since  time.Time     // when the holding or the waiting began
	place  *list.Element // in the pool's list of waiters
}

// Client is one connection's locks, newest last.
type Client struct {
	table *Table
	locks []*lock
	// notify delivers the answer to a request that had to wait. It is called
	// while no table lock is held, and must not block.
	notify func(poolcounter.Answer)
}

// New makes an empty table that reads the time from now.
func New(now func() time.Time) *Table {
	return &Table{now: now, pools: map[string]*pool{}, counts: Counts{
		HoldersBy: map[poolcounter.Class]int64{}, WaitersBy: map[poolcounter.Class]int64{},
	}}
}

// NewClient adds a client; answers to its waits are given to notify.
func (t *Table) NewClient(notify func(poolcounter.Answer)) *Client {
	return &Client{table: t, notify: notify}
}

// note is an answer that is due to a waiter once the table is unlocked.
type note struct {
	client *Client
	answer poolcounter.Answer
}

func deliver(notes []note) {
	for _, n := range notes {
		n.client.notify(n.answer)
	}
}

// Acquire asks for a slot. The answer is "" when the client now waits: it hears
// Locked or Done through notify, unless it calls GiveUp before.
func (c *Client) Acquire(cmd poolcounter.Command) poolcounter.Answer {
	t := c.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(c.locks) >= poolcounter.MaxLocks {
		t.counts.LockMismatch++
		return poolcounter.LockHeld
	}
	if c.waits() {
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
	p := t.pools[cmd.Key]
	if p == nil {
		p = &pool{key: cmd.Key, class: poolcounter.ClassOf(cmd.Key)}
	}
	switch {
	case p.count >= cmd.Limits.MaxQueue:
		t.counts.FullQueues++
		return poolcounter.QueueFull
	case p.holders < int(cmd.Limits.Workers):
		c.add(p, holding)
		t.granted(p)
		p.holders++
		return poolcounter.Locked
	case cmd.Limits.Timeout == 0:
		return poolcounter.Timeout
	case cmd.ForAnyone:
		c.add(p, waitingForAnyone)
	default:
		c.add(p, waitingForMe)
	}
	t.counts.Waiting++
	t.counts.WaitersBy[p.class]++
	return ""
}

// granted counts a new holder.
func (t *Table) granted(p *pool) {
	t.counts.Acquired++
	t.counts.Processing++
	t.counts.HoldersBy[p.class]++
}

func (c *Client) add(p *pool, s state) {
	t := c.table
	if p.count == 0 {
		t.pools[p.key] = p
		t.counts.Pools++
	}
	p.count++
	l := &lock{client: c, pool: p, state: s, since: t.now()}
	switch s {
	case waitingForMe:
		l.place = p.forMe.PushBack(l)
	case waitingForAnyone:
		l.place = p.forAnyone.PushBack(l)
	}
	c.locks = append(c.locks, l)
}

func (c *Client) waits() bool {
	return len(c.locks) > 0 && c.locks[len(c.locks)-1].state != holding
}

// Release gives back the newest lock, and tells those who wait for anyone that
// the work is done. It also ends a wait, when that is the newest.
func (c *Client) Release() poolcounter.Answer {
	t := c.table
	t.mu.Lock()
	if len(c.locks) == 0 {
		t.counts.ReleaseMismatch++
		t.mu.Unlock()
		return poolcounter.NotLocked
	}
	t.counts.Releases++
	l := c.pop()
	notes := append(t.done(l), t.end(l)...)
	t.mu.Unlock()
	deliver(notes)
	return poolcounter.Released
}

// GiveUp ends the wait of the client, and reports whether there was one: a
// grant may have come before.
func (c *Client) GiveUp() bool {
	t := c.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if !c.waits() {
		return false
	}
	l := c.pop()
	t.times.WastedTimeout += t.now().Sub(l.since)
	t.end(l) // a waiter's end frees no slot, so that nobody is to be told
	return true
}

// Leave frees everything that the client holds or waits for, newest first.
func (c *Client) Leave() {
	t := c.table
	t.mu.Lock()
	var notes []note
	for len(c.locks) > 0 {
		notes = append(notes, t.end(c.pop())...)
	}
	t.mu.Unlock()
	deliver(notes)
}

func (c *Client) pop() *lock {
	l := c.locks[len(c.locks)-1]
	c.locks = c.locks[:len(c.locks)-1]
	return l
}

// done ends all waits for anyone in the pool of a released lock, which may be such a wait itself.
func (t *Table) done(released *lock) (notes []note) {
	p, now := released.pool, t.now()
	for place := p.forAnyone.Front(); place != nil; {
		l := place.Value.(*lock)
		place = place.Next()
		if l == released {
			continue
		}
		t.times.WaitingForGood += now.Sub(l.since)
		t.times.Gained += now.Sub(released.since)
		l.client.pop() // a wait is always the newest
		t.end(l)
		notes = append(notes, note{l.client, poolcounter.Done})
	}
	return notes
}

// end removes a lock; a slot that it held goes to the next in line.
func (t *Table) end(l *lock) (notes []note) {
	p := l.pool
	switch l.state {
	case waitingForMe:
		p.forMe.Remove(l.place)
		t.stopWaiting(p)
	case waitingForAnyone:
		p.forAnyone.Remove(l.place)
		t.stopWaiting(p)
	case holding:
		t.times.Processing += t.now().Sub(l.since)
		t.counts.ProcessedCount++
		t.counts.Processing--
		t.counts.HoldersBy[p.class]--
		notes = t.handOver(p)
	}
	p.count--
	if p.count == 0 {
		delete(t.pools, p.key)
		t.counts.Pools--
	}
	return notes
}

func (t *Table) stopWaiting(p *pool) {
	t.counts.Waiting--
	t.counts.WaitersBy[p.class]--
}

func (t *Table) handOver(p *pool) []note {
	place := p.forMe.Front()
	line := &p.forMe
	if place == nil {
		place, line = p.forAnyone.Front(), &p.forAnyone
	}
	if place == nil {
		p.holders--
		return nil
	}
	next := line.Remove(place).(*lock)
	t.waited(next)
	// From here the new holder's time counts. (The original resets the clock of
	// the one who released, so that its processing times include the waits.)
	next.state, next.place, next.since = holding, nil, t.now()
	t.stopWaiting(p)
	t.granted(p)
	return []note{{next.client, poolcounter.Locked}}
}

func (t *Table) waited(l *lock) {
	wait := t.now().Sub(l.since)
	t.times.Waiting += wait
	if l.state == waitingForMe {
		t.times.WaitingForMe += wait
	} else {
		t.times.WaitingForAnyone += wait
	}
}

// Counts gives what was counted so far.
func (t *Table) Counts() (Counts, Times) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	c.HoldersBy, c.WaitersBy = maps.Clone(c.HoldersBy), maps.Clone(c.WaitersBy)
	return c, t.times
}
