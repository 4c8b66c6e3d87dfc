package pools

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// attachLane makes an owner with the rules of a wide per-ip (0) and of a lane of 2 places (1).
func attachLane(t *Table, shadow bool) (*Owner, *inbox) {
	box := &inbox{}
	o, _ := t.Attach("e", box)
	o.SetRules([]lease.Rule{
		{Name: "per-ip", Workers: 100, MaxQueue: 1000, Shadow: shadow}, {Name: "lane:l", Workers: 2, MaxQueue: 12},
	})
	return o, box
}

// One client takes half of a lane's queue and is refused by per-ip. The other half is left to others.
func TestOneClientTakesHalfOfALane(t *testing.T) {
	table := New(nil)
	o, box := attachLane(table, false)
	for id := range uint64(20) {
		o.Acquire(requestFor(id+1, "x", "ip:x", "lane:l"))
	}
	wants(t, box.of(6).Kind, lease.Kind(0))
	wants(t, box.of(7), lease.Answer{Kind: lease.KindRefused, ID: 7, Pool: 0, Reason: lease.Crowded})
	for id := uint64(31); id <= 36; id++ {
		o.Acquire(requestFor(id, fmt.Sprint(id), fmt.Sprint("ip:", id), "lane:l"))
		wants(t, box.of(id).Kind, lease.Kind(0))
	}
	o.Acquire(requestFor(37, "37", "ip:37", "lane:l"))
	wants(t, box.of(37), lease.Answer{Kind: lease.KindRefused, ID: 37, Pool: 1, Reason: lease.Full})
	for id := range uint64(40) {
		o.Release(id, lease.Vanished, "")
	}
	wants(t, len(table.pools.entries), 0)
}

// A request that an edge turned away counts for its client, takes no place, and leaves nothing.
func TestTurnedAway(t *testing.T) {
	table := New(nil)
	o, box := attachLane(table, false)
	for _, why := range []lease.Reason{lease.Full, lease.Full, lease.TimedOut} {
		o.TurnAway(requestFor(0, "x", "ip:x", "lane:l"), why)
	}
	o.TurnAway(lease.Request{Client: "x", Thumbnail: "thumbnail:t"}, lease.Full)
	wants(t, len(box.answers), 0)
	wants(t, len(table.pools.entries), 0)
	_, classes, _ := table.Counts()
	wants(t, classes[throttle.PerIP].Full, int64(2))
	wants(t, classes[throttle.PerIP].TimedOut, int64(1))
	wants(t, classes[throttle.Lane].Full, int64(0))
	o.Acquire(requestFor(1, "x", "ip:x", "lane:l"))
	wants(t, box.of(1).Kind, lease.KindGranted)
	o.Release(1, lease.Vanished, "")
	wants(t, len(table.pools.entries), 0)
}

// A wait of the client that crowds a lane ends with a refusal by per-ip, the wait of another by the lane.
func TestTheCrowdingClientIsBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(nil)
		o, box := attachLane(table, false)
		for id := range uint64(5) {
			o.Acquire(requestFor(id+1, "x", "ip:x", "lane:l"))
		}
		o.Acquire(requestFor(9, "y", "ip:y", "lane:l"))
		time.Sleep(time.Hour)
		synctest.Wait()
		wants(t, box.of(5), lease.Answer{Kind: lease.KindRefused, ID: 5, Pool: 0, Reason: lease.TimedOut})
		wants(t, box.of(9), lease.Answer{Kind: lease.KindRefused, ID: 9, Pool: 1, Reason: lease.TimedOut})
	})
}

// per-ip in shadow mode bounds no share. A client that per-ip does not count has no bound.
func TestUnlimitedClientsMayFillALane(t *testing.T) {
	for name, q := range map[string][]string{"shadow": {"ip:x", "lane:l"}, "exempt": {"lane:l"}} {
		table := New(nil)
		o, box := attachLane(table, name == "shadow")
		for id := range uint64(13) {
			r := requestFor(id+1, "x", q...)
			if name == "exempt" {
				r.Pools[0].Rule = 1
			}
			o.Acquire(r)
		}
		wants(t, box.of(12).Kind, lease.Kind(0))
		wants(t, box.of(13).Pool, len(q)-1)
	}
}
