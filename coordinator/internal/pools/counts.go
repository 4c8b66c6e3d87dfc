package pools

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// Counts are the table's counts, with the meaning of PoolCounter's statistics.
type Counts struct {
	Acquired         int64 // total_acquired
	Releases         int64 // total_releases
	Processing       int64 // processing_workers: current leases and locks
	Waiting          int64 // waiting_workers: requests that wait now
	FullQueues       int64 // full_queues: refusals
	LockMismatch     int64 // lock_mismatch: a fifth lock on one connection
	LockWhileWaiting int64 // lock_while_waiting
	ReleaseMismatch  int64 // release_mismatch: RELEASE without a lock
	ProcessedCount   int64 // processed_count: ended locks
	Pools            int64 // hashtable_entries: current pools
	Claimed          int64 // leases that edges brought from an earlier connection or another coordinator
	Vanished         int64 // leases that nobody claimed in time
	Differing        int64 // rules whose limits differ between edges now

	tallies map[throttle.Name]*tally
}

// tally holds the counts of one class of pools.
type tally struct {
	class            throttle.Name
	shared           bool // throttle.Throttle.Shared
	holders, waiters int64
	granted          int64
	near, shadowed   int64
	refusals         map[lease.Reason]int64
}

// Class holds the counts of one class of pools, for readers of the table.
type Class struct {
	Holders   int64 // places held now
	Waiters   int64 // places that requests wait for now
	Granted   int64 // admitted requests
	NearLimit int64 // requests that found their pool at more than four fifths of its limit
	Shadowed  int64 // requests that shadow mode let through
	Full      int64 // requests refused because of maxqueue
	TimedOut  int64 // requests refused at the end of their wait
}

// Times are sums of durations, with the meaning of PoolCounter's statistics.
type Times struct {
	Processing       time.Duration // from grant to release
	Gained           time.Duration // work that waiters for anyone did not repeat
	Waiting          time.Duration // until a lock was granted
	WaitingForMe     time.Duration // the part of Waiting of ACQ4ME and leases
	WaitingForAnyone time.Duration // the part of Waiting of ACQ4ANY
	WaitingForGood   time.Duration // until the work of another request was done
	WastedTimeout    time.Duration // of waits that ended with a refusal
}

func newCounts() Counts {
	c := Counts{tallies: map[throttle.Name]*tally{}}
	all := throttle.All()
	for _, class := range all.PoolNames() {
		c.tallies[class] = &tally{class: class, refusals: map[lease.Reason]int64{}}
	}
	for _, row := range all {
		if t := c.tallies[row.Name]; t != nil {
			t.shared = row.Shared
		}
	}
	return c
}

func (c Counts) tally(class throttle.Name) *tally { return c.tallies[class] }

// Counts returns the counts so far: of the table, of each class, and the sums of durations.
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
