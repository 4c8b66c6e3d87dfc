package pools

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// inbox is a Receiver that remembers all answers.
type inbox struct{ answers []lease.Answer }

func (b *inbox) Receive(a lease.Answer) { b.answers = append(b.answers, a) }
func (b *inbox) Flush()                 {}

func (b *inbox) last() lease.Answer {
	if len(b.answers) == 0 {
		return lease.Answer{}
	}
	return b.answers[len(b.answers)-1]
}

// of returns the latest answer to a request.
func (b *inbox) of(id uint64) (a lease.Answer) {
	for _, answer := range b.answers {
		if answer.ID == id {
			a = answer
		}
	}
	return a
}

func command(key string, anyone bool, workers, queue, timeout uint32) poolcounter.Command {
	return poolcounter.Command{
		Verb: poolcounter.VerbAcquire, Key: key, ForAnyone: anyone,
		Limits: poolcounter.Limits{Workers: workers, MaxQueue: queue, Timeout: timeout},
	}
}

// attach makes an owner with one rule for each limit, named 0, 1, 2 and so on.
func attach(t *Table, name string, workers ...uint32) (*Owner, *inbox) {
	box := &inbox{}
	o, _ := t.Attach(name, box)
	var rules []lease.Rule
	for i, w := range workers {
		rules = append(rules, lease.Rule{Name: fmt.Sprint(i), Workers: w, MaxQueue: 1000})
	}
	o.SetRules(rules)
	return o, box
}

// requestFor makes a request for one place in the pool of each rule.
func requestFor(id uint64, client string, keys ...string) lease.Request {
	q := lease.Request{ID: id, Client: client, Wait: 8000}
	for i, key := range keys {
		if key != "" {
			q.Pools = append(q.Pools, lease.Pool{Rule: i, Places: 1, Key: key})
		}
	}
	return q
}

func wants(t *testing.T, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func empty(t testing.TB, table *Table) {
	t.Helper()
	counts, classes, _ := table.Counts()
	if counts.Pools != 0 || len(table.pools.entries) != 0 || counts.Waiting != 0 || counts.Processing != 0 ||
		len(table.waiting.entries) != 0 || len(table.overdue) != 0 {
		t.Errorf("the table is not empty: %+v, %d pools", counts, len(table.pools.entries))
	}
	for class, c := range classes {
		if c.Holders != 0 || c.Waiters != 0 {
			t.Errorf("class %s is not empty: %+v", class, c)
		}
	}
}

// The time of a lock counts from its grant, not from its request, and not from another client's release
// as at the original.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(nil)
		a, b, c := table.NewClient(&inbox{}), table.NewClient(&inbox{}), table.NewClient(&inbox{})
		a.Acquire(command("k", false, 1, 9, 9))
		b.Acquire(command("k", false, 1, 9, 9))
		c.Acquire(command("k", true, 1, 9, 9))
		time.Sleep(3 * time.Second)
		a.Release()
		time.Sleep(2 * time.Second)
		b.Release()
		_, _, times := table.Counts()
		wants(t, times, Times{
			Processing: 5 * time.Second, Gained: 3 * time.Second, Waiting: 3 * time.Second,
			WaitingForMe: 3 * time.Second, WaitingForGood: 3 * time.Second,
		})
		empty(t, table)
	})
}

// Four requests behind one hot original do not hold up the client's other originals.
func TestWaitersHoldNothing(t *testing.T) {
	table := New(nil)
	o, box := attach(table, "e", 4, 1)
	o.Acquire(requestFor(1, "x", "ip:x", "original:hot"))
	for id := uint64(2); id <= 5; id++ {
		o.Acquire(requestFor(id, "x", "ip:x", "original:hot"))
	}
	o.Acquire(requestFor(6, "x", "ip:x", "original:cold"))
	wants(t, box.of(5).Kind, lease.Kind(0))
	wants(t, box.of(6).Kind, lease.KindGranted)
	o.Release(1, lease.Stored, "")
	wants(t, box.of(2).Kind, lease.KindGranted)
	for id := uint64(1); id <= 6; id++ {
		o.Release(id, lease.Stored, "")
		o.Release(id, lease.Stored, "") // a second release changes nothing
	}
	empty(t, table)
}

// A client with a hundred requests in line gets at most one more place before the first request of
// another client, and then every other place.
func TestFairAmongClients(t *testing.T) {
	for served := range 3 { // places for the first client before the other client comes
		table := New(nil)
		o, box := attach(table, "e", 1)
		o.Acquire(requestFor(1, "greedy", "lane:x"))
		for id := uint64(2); id <= 101; id++ {
			o.Acquire(requestFor(id, "greedy", "lane:x"))
		}
		holder := uint64(1)
		next := func() {
			o.Release(holder, lease.Stored, "")
			holder = box.last().ID
		}
		for range served {
			next()
		}
		for id := uint64(201); id <= 203; id++ {
			o.Acquire(requestFor(id, "modest", "lane:x"))
		}
		var order []bool
		for range 8 {
			next()
			order = append(order, holder > 200)
		}
		modest, before := 0, 0
		for _, m := range order {
			if m {
				modest++
			} else if modest == 0 {
				before++
			}
		}
		if before > 1 || modest != 3 {
			t.Errorf("after %d places, the modest client's turns are %v", served, order)
		}
	}
}

// A client whose requests cost four times as much gets a quarter of the places.
func TestFairByCost(t *testing.T) {
	table := New(nil)
	o, box := attach(table, "e", 1)
	o.Acquire(requestFor(1, "first", "lane:x"))
	for id := uint64(2); id <= 41; id++ {
		q := requestFor(id, "cheap", "lane:x")
		if id%2 == 0 {
			q.Client, q.Cost = "dear", 4
		}
		o.Acquire(q)
	}
	dear := 0
	for range 20 {
		o.Release(box.last().ID, lease.Stored, "")
		if box.last().ID%2 == 0 {
			dear++
		}
	}
	wants(t, dear, 4)
}

// A request that waits for another request's render takes no place elsewhere, and learns the outcome.
func TestThumbnailForAnyone(t *testing.T) {
	table := New(nil)
	a, boxA := attach(table, "a", 2)
	b, boxB := attach(table, "b", 2)
	thumb := func(id uint64) lease.Request {
		q := requestFor(id, "x", "lane:x")
		q.Thumbnail = "thumbnail:t"
		return q
	}
	a.Acquire(thumb(1))
	b.Acquire(thumb(1))
	b.Acquire(thumb(2))
	wants(t, table.pools.entries["lane:x"].places, uint32(1))
	a.Release(1, lease.Stored, "")
	wants(t, boxB.of(1).Kind, lease.KindDone)
	wants(t, boxB.of(2).Kind, lease.KindDone)
	empty(t, table)

	a.Acquire(thumb(2))
	b.Acquire(thumb(3))
	a.Release(2, lease.Faulty, "why")
	wants(t, boxB.of(3), lease.Answer{Kind: lease.KindFailed, ID: 3, Payload: "why"})

	a.Acquire(thumb(3))
	b.Acquire(thumb(4))
	b.Acquire(thumb(5))
	a.Release(3, lease.Vanished, "")
	wants(t, boxB.of(4).Kind, lease.KindGranted)
	wants(t, boxB.of(5).Kind, lease.Kind(0))
	b.Release(4, lease.Stored, "")
	wants(t, boxB.of(5).Kind, lease.KindDone)
	wants(t, boxA.last().Kind, lease.KindGranted)
	empty(t, table)
}

// A throttled client does not keep others from rendering the same thumbnail, and gets their thumbnail.
func TestThrottledClientDoesNotHoldTheThumbnail(t *testing.T) {
	table := New(nil)
	o, box := attach(table, "e", 1)
	thumb := func(id uint64, key string) lease.Request {
		q := requestFor(id, key, key)
		q.Thumbnail = "thumbnail:t"
		return q
	}
	o.Acquire(requestFor(1, "x", "ip:x"))
	o.Acquire(thumb(2, "ip:x"))
	o.Acquire(thumb(3, "ip:y"))
	wants(t, box.of(3).Kind, lease.KindGranted)
	wants(t, table.pools.entries["ip:x"].places, uint32(1))
	o.Release(3, lease.Stored, "")
	wants(t, box.of(2).Kind, lease.KindDone)
	o.Release(1, lease.Vanished, "")
	empty(t, table)
}

func TestDeadlineInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(nil)
		o, box := attach(table, "e", 1, 1)
		o.Acquire(requestFor(1, "x", "ip:x", "lane:l"))
		o.Acquire(requestFor(2, "y", "ip:y", "lane:l"))
		time.Sleep(8 * time.Second)
		synctest.Wait()
		wants(t, box.of(2), lease.Answer{Kind: lease.KindRefused, ID: 2, Pool: 1, Reason: lease.TimedOut})
		q := requestFor(3, "x", "ip:x")
		q.Wait = 0
		o.Acquire(q)
		wants(t, box.of(3).Reason, lease.TimedOut)
		o.Release(1, lease.Stored, "")
		empty(t, table)
	})
}

func TestQueueBound(t *testing.T) {
	table := New(nil)
	o, box := attach(table, "e")
	o.SetRules([]lease.Rule{{Name: "ip", Workers: 1, MaxQueue: 2}, {Name: "lane", Workers: 9, MaxQueue: 9}})
	for id := uint64(1); id <= 3; id++ {
		o.Acquire(requestFor(id, "x", "ip:x", "lane:l"))
	}
	wants(t, box.of(3), lease.Answer{Kind: lease.KindRefused, ID: 3, Pool: 0, Reason: lease.Full})
	wants(t, table.pools.entries["lane:l"].places, uint32(2))
	for _, q := range []lease.Request{
		{ID: 4}, {ID: 1, Thumbnail: "thumbnail:t"}, {ID: 5, Pools: []lease.Pool{{Rule: 2, Places: 1, Key: "k"}}},
		{ID: 6, Pools: []lease.Pool{{Rule: 0, Places: 1, Key: "k"}, {Rule: 1, Places: 1, Key: "k"}}},
	} {
		o.Acquire(q)
		wants(t, box.last().Reason, lease.Malformed)
	}
	o.Release(1, lease.Stored, "")
	o.Release(2, lease.Stored, "")
	empty(t, table)
}

// The lowest limit holds. A lower limit stops grants until enough leases have ended; a higher limit
// lets waiting requests in.
func TestLimitsThatDiffer(t *testing.T) {
	table := New(nil)
	a, boxA := attach(table, "a", 3)
	b, boxB := attach(table, "b", 2)
	for id := uint64(1); id <= 3; id++ {
		a.Acquire(requestFor(id, "x", "lane:l"))
	}
	wants(t, boxA.of(3).Kind, lease.Kind(0))
	rules := table.View(9).Rules
	if len(rules) != 1 || rules[0].Workers != 2 || len(rules[0].Differing) != 2 {
		t.Errorf("%+v", rules)
	}
	b.SetRules([]lease.Rule{{Name: "0", Workers: 4, MaxQueue: 1000}})
	wants(t, boxA.of(3).Kind, lease.KindGranted)
	a.SetRules([]lease.Rule{{Name: "0", Workers: 1, MaxQueue: 1000}})
	b.Acquire(requestFor(1, "y", "lane:l"))
	a.Release(1, lease.Stored, "")
	a.Release(2, lease.Stored, "")
	wants(t, boxB.of(1).Kind, lease.Kind(0))
	a.Release(3, lease.Stored, "")
	wants(t, boxB.of(1).Kind, lease.KindGranted)
	b.Release(1, lease.Stored, "")
	empty(t, table)
}

// A throttle in shadow mode lets everything through and reports the requests that it would have
// stopped.
func TestShadow(t *testing.T) {
	table := New(nil)
	o, box := attach(table, "e")
	o.SetRules([]lease.Rule{{Name: "ip", Workers: 1, MaxQueue: 1, Shadow: true}, {Name: "lane", Workers: 5, MaxQueue: 9}})
	o.Acquire(requestFor(1, "x", "ip:x", "lane:l"))
	o.Acquire(requestFor(2, "x", "ip:x", "lane:l"))
	wants(t, box.of(1), lease.Answer{Kind: lease.KindGranted, ID: 1, Pool: lease.NoPool})
	wants(t, box.of(2), lease.Answer{Kind: lease.KindGranted, ID: 2, Pool: lease.NoPool, Shadow: 1})
	_, classes, _ := table.Counts()
	wants(t, classes[throttle.PerIP].Shadowed, int64(1))
	wants(t, classes[throttle.PerIP].NearLimit, int64(2))
	o.Release(1, lease.Stored, "")
	o.Release(2, lease.Stored, "")
	empty(t, table)
}

// A huge original takes several places of its type's pool, and small originals do not overtake it for
// ever.
func TestPlaces(t *testing.T) {
	table := New(nil)
	o, box := attach(table, "e", 4)
	for id := uint64(1); id <= 4; id++ {
		o.Acquire(requestFor(id, "x", "expensive:tiff"))
	}
	huge := requestFor(5, "y", "expensive:tiff")
	huge.Pools[0].Places = 3
	o.Acquire(huge)
	o.Acquire(requestFor(6, "z", "expensive:tiff"))
	o.Release(1, lease.Stored, "")
	o.Release(2, lease.Stored, "")
	wants(t, box.of(6).Kind, lease.Kind(0))
	o.Release(3, lease.Stored, "")
	wants(t, box.of(5).Kind, lease.KindGranted)
	wants(t, box.of(6).Kind, lease.Kind(0))
	for id := uint64(4); id <= 6; id++ {
		o.Release(id, lease.Stored, "")
	}
	empty(t, table)
}

func TestLostConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(nil)
		a, _ := attach(table, "a", 1)
		b, boxB := attach(table, "b", 1)
		a.Acquire(requestFor(1, "x", "lane:l"))
		a.Acquire(requestFor(2, "x", "lane:m"))
		a.Acquire(requestFor(3, "x", "lane:l"))
		b.Acquire(requestFor(1, "y", "lane:l"))
		b.Acquire(requestFor(2, "y", "lane:m"))
		a.Detach()
		time.Sleep(lease.Grace / 2)
		synctest.Wait()
		wants(t, boxB.of(1).Kind, lease.Kind(0))
		again := &inbox{}
		a, _ = table.Attach("a", again)
		a.SetRules([]lease.Rule{{Name: "0", Workers: 1, MaxQueue: 1000}})
		a.Claim(requestFor(1, "x", "lane:l"))
		time.Sleep(lease.Grace)
		synctest.Wait()
		wants(t, boxB.of(1).Kind, lease.Kind(0))     // claimed in time
		wants(t, boxB.of(2).Kind, lease.KindGranted) // not claimed
		a.Detach()
		time.Sleep(lease.Grace)
		synctest.Wait()
		wants(t, boxB.of(1).Kind, lease.KindGranted)
		wants(t, len(table.View(9).Owners), 1)
		b.Release(1, lease.Stored, "")
		b.Release(2, lease.Stored, "")
		empty(t, table)
	})
}

// Claims hold beyond any limit. When an edge has moved here, the table grants nothing new until the
// other edges could claim their leases.
func TestClaimsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		table := New(nil)
		a, boxA := attach(table, "a", 2)
		b, boxB := attach(table, "b", 2)
		a.Settle()
		a.Claim(requestFor(7, "x", "lane:l"))
		a.Acquire(requestFor(8, "x", "lane:l"))
		wants(t, boxA.of(8).Kind, lease.Kind(0))
		b.Claim(requestFor(7, "y", "lane:l"))
		time.Sleep(lease.Settling)
		synctest.Wait()
		wants(t, boxA.of(8).Kind, lease.Kind(0))
		wants(t, table.pools.entries["lane:l"].held, uint32(2))
		b.Release(7, lease.Stored, "")
		wants(t, boxA.of(8).Kind, lease.KindGranted)
		a.Release(7, lease.Stored, "")
		a.Release(8, lease.Stored, "")
		wants(t, len(boxB.answers), 0)
		empty(t, table)
	})
}

// A claim of a lease that the edge holds gives back the places of pools that the claim does not name, and
// lets no request in that waits for the others.
func TestAClaimNarrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(nil)
		a, box := attach(table, "a", 1)
		a.SetRules([]lease.Rule{{Name: "lane", Workers: 1, MaxQueue: 9}, {Name: "ip", Workers: 1, MaxQueue: 9}})
		a.Acquire(requestFor(1, "x", "lane:l", "ip:x"))
		a.Acquire(requestFor(2, "x", "", "ip:x"))
		a.Acquire(requestFor(3, "y", "lane:l"))
		a.Claim(requestFor(1, "x", "", "ip:x"))
		synctest.Wait()
		wants(t, box.of(1).Kind, lease.KindGranted)
		wants(t, box.of(2).Kind, lease.Kind(0))
		wants(t, box.of(3).Kind, lease.KindGranted)
		a.Claim(requestFor(1, "x", "lane:l", "ip:x")) // takes nothing again
		wants(t, table.pools.entries["lane:l"].held, uint32(1))
		a.Release(1, lease.Stored, "")
		wants(t, box.of(2).Kind, lease.KindGranted)
		a.Release(2, lease.Stored, "")
		a.Release(3, lease.Stored, "")
		empty(t, table)
	})
}
