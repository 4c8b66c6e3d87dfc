package pools

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

func thumbnailed(id uint64, keys ...string) lease.Request {
	q := requestFor(id, "x", keys...)
	q.Thumbnail = "thumbnail:t"
	return q
}

// An edge waits for a thumbnail whose pool a PoolCounter client holds. If the client leaves, the edge
// is let in; if it releases, the edge reads the thumbnail from the store.
func TestAnEdgeWaitsForAClientsThumbnail(t *testing.T) {
	table := New(nil)
	o, box := attach(table, "e", 9)
	c := table.NewClient(&inbox{})
	c.Acquire(command("thumbnail:t", true, 1, 9, 9))
	o.Acquire(thumbnailed(1, "lane:l"))
	c.Leave()
	wants(t, box.of(1).Kind, lease.KindGranted)
	o.Release(1, lease.Stored, "")

	c.Acquire(command("thumbnail:t", true, 1, 9, 9))
	o.Acquire(thumbnailed(2, "lane:l"))
	c.Release()
	wants(t, box.of(2).Kind, lease.KindDone)
	empty(t, table)
}

// A thumbnail that an edge lets go goes to another edge or to a client, never to both.
func TestAThumbnailHasOneHolder(t *testing.T) {
	table := New(nil)
	o, box := attach(table, "e", 9)
	waiting := &inbox{}
	c := table.NewClient(waiting)
	o.Acquire(thumbnailed(1, "lane:l"))
	o.Acquire(thumbnailed(2, "lane:l"))
	c.Acquire(command("thumbnail:t", true, 1, 9, 9))
	o.Release(1, lease.Vanished, "")
	if edge, client := box.of(2).Kind == lease.KindGranted, len(waiting.answers) == 1; edge == client {
		t.Errorf("granted to the edge: %v, to the client: %v", edge, client)
	}
	o.Release(2, lease.Stored, "")
	c.Leave()
	empty(t, table)
}

// An edge that stands in line elsewhere does not render a thumbnail that a client has begun.
func TestAClientTakesTheThumbnailFirst(t *testing.T) {
	table := New(nil)
	o, box := attach(table, "e", 1)
	c := table.NewClient(&inbox{})
	o.Acquire(requestFor(1, "x", "lane:l"))
	o.Acquire(thumbnailed(2, "lane:l"))
	c.Acquire(command("thumbnail:t", true, 1, 9, 9))
	o.Release(1, lease.Stored, "")
	wants(t, box.of(2).Kind, lease.Kind(0))
	c.Release()
	wants(t, box.of(2).Kind, lease.KindDone)
	empty(t, table)
}

// A place taken while the table settled is not handed on as well, and a surplus of claimed leases ends.
func TestHandOverKeepsLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(nil)
		o, _ := attach(table, "e", 1)
		waiting := &inbox{}
		second, third := table.NewClient(waiting), table.NewClient(&inbox{})
		o.Acquire(requestFor(1, "x", "k"))
		second.Acquire(command("k", false, 1, 9, 9))
		o.Settle()
		o.Release(1, lease.Stored, "")
		third.Acquire(command("k", false, 1, 9, 9))
		time.Sleep(lease.Settling)
		synctest.Wait()
		wants(t, table.pools.entries["k"].held, uint32(1))
		third.Leave()
		wants(t, len(waiting.answers), 1)

		o.Claim(requestFor(2, "x", "k"))
		third.Acquire(command("k", false, 1, 9, 9))
		o.Release(2, lease.Stored, "")
		wants(t, table.pools.entries["k"].held, uint32(1))
		second.Leave()
		third.Leave()
		empty(t, table)
	})
}

// A throttle in shadow mode lets an edge through although a client stands before it.
func TestShadowBehindAClient(t *testing.T) {
	table := New(nil)
	o, box := attach(table, "e", 1)
	c := table.NewClient(&inbox{})
	o.Acquire(requestFor(1, "x", "k"))
	c.Acquire(command("k", false, 1, 9, 9))
	o.Acquire(requestFor(2, "x", "k"))
	o.SetRules([]lease.Rule{{Name: "0", Workers: 1, MaxQueue: 9, Shadow: true}})
	wants(t, box.of(2).Kind, lease.KindGranted)
	o.Release(1, lease.Stored, "")
	o.Release(2, lease.Stored, "")
	c.Leave()
	empty(t, table)
}

// Frames of a connection do nothing once another connection has taken its name over.
func TestAReplacedConnection(t *testing.T) {
	table := New(nil)
	old, _ := attach(table, "e", 1)
	box := &inbox{}
	_, earlier := table.Attach("e", box)
	if earlier == nil {
		t.Error("the new connection did not get the receiver of the earlier one")
	}
	old.Acquire(requestFor(1, "x", "k"))
	old.Claim(requestFor(2, "x", "k"))
	old.SetRules(nil)
	old.Detach()
	wants(t, len(box.answers), 0)
	wants(t, len(table.View(9).Rules), 1)
	empty(t, table)
}

// An unclaimed lease ends in time, however often its edge comes and goes.
func TestAFlappingEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(nil)
		o, _ := attach(table, "e", 1)
		o.Acquire(requestFor(1, "x", "k"))
		for range 3 {
			o.Detach()
			time.Sleep(lease.Grace / 2)
			o, _ = table.Attach("e", &inbox{})
		}
		time.Sleep(lease.Grace / 2)
		synctest.Wait()
		wants(t, len(table.pools.entries), 0)
	})
}

// A request that is let in after a vanished render and finds a full queue is refused, and counted once.
func TestLetInToAFullQueue(t *testing.T) {
	table := New(nil)
	o, box := attach(table, "e")
	o.SetRules([]lease.Rule{{Name: "0", Workers: 1, MaxQueue: 1}})
	o.Acquire(thumbnailed(1))
	o.Acquire(thumbnailed(2, "k"))
	o.Acquire(requestFor(3, "x", "k"))
	o.Release(1, lease.Vanished, "")
	wants(t, box.of(2).Reason, lease.Full)
	o.Release(3, lease.Stored, "")
	empty(t, table)
}
