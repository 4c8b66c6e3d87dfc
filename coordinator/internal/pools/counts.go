package pools

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// Counts are what the table counted, in the words of PoolCounter's statistics.
type Counts struct {
	Acquired         int64 // total_acquired
	Releases         int64 // total_releases
	Processing       int64 // processing_workers: leases and locks now
	Waiting          int64 // waiting_workers: requests that wait now
	FullQueues       int64 // full_queues: refusals
	LockMismatch     int64 // lock_mismatch: a fifth lock on one connection
	LockWhileWaiting int64 // lock_while_waiting
	ReleaseMismatch  int64 // release_mismatch: RELEASE without a lock
	ProcessedCount   int64 // processed_count: locks that ended
	Pools            int64 // hashtable_entries: pools now
	Claimed          int64 // leases that edges brought from an earlier connection or another coordinator
	Vanished         int64 // leases that nobody claimed in time
	Differing        int64 // rules that edges have different limits for, now

	tallies map[throttle.Name]*tally
}

// tally is what is counted for each class of pools.
type tally struct {
	class            throttle.Name
	holders, waiters int64
	granted          int64
	near, shadowed   int64
	refusals         map[lease.Reason]int64
}

// Class is what was counted for one class of pools.
type Class struct {
	Holders   int64 // places held now
	Waiters   int64 // places waited for now
	Granted   int64 // requests that were let in
	NearLimit int64 // requests that found their pool at more than four fifths of its limit
	Shadowed  int64 // requests that a throttle in shadow mode would have refused or delayed
	Full      int64 // requests refused: maxqueue
	TimedOut  int64 // requests refused: waited in vain
}

// Times are sums of durations, in the words of PoolCounter's statistics.
type Times struct {
	Processing       time.Duration // held
	Gained           time.Duration // work that waiters for anyone were spared
	Waiting          time.Duration // until a lock was held
	WaitingForMe     time.Duration // of these, ACQ4ME and leases
	WaitingForAnyone time.Duration // of these, ACQ4ANY
	WaitingForGood   time.Duration // until another's work was done
	WastedTimeout    time.Duration // in vain
}

func newCounts() Counts {
	c := Counts{tallies: map[throttle.Name]*tally{}}
	for _, class := range throttle.All().PoolNames() {
		c.tallies[class] = &tally{class: class, refusals: map[lease.Reason]int64{}}
	}
	return c
}

func (c Counts) tally(class throttle.Name) *tally { return c.tallies[class] }

// Counts gives what was counted so far.
func (t *Table) Counts() (Counts, map[throttle.Name]Class, Times) {
	t.mu.Lock()
	defer t.mu.Unlock()
	classes := map[throttle.Name]Class{}
	for class, n := range t.counts.tallies {
		classes[class] = Class{
			Holders: n.holders, Waiters: n.waiters, Granted: n.granted, NearLimit: n.near, Shadowed: n.shadowed,
			Full: n.refusals[lease.Full], TimedOut: n.refusals[lease.TimedOut],
		}
	}
	counts := t.counts
	for _, r := range t.rules {
		if r.differs {
			counts.Differing++
		}
	}
	counts.tallies = nil
	return counts, classes, t.times
}
