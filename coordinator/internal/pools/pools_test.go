package pools

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

func acquire(c *Client, key string, anyone bool, workers, queue, timeout uint32) poolcounter.Answer {
	return c.Acquire(poolcounter.Command{
		Verb: poolcounter.VerbAcquire, Key: key, ForAnyone: anyone,
		Limits: poolcounter.Limits{Workers: workers, MaxQueue: queue, Timeout: timeout},
	})
}

// The time that a lock is held counts from its grant, not from its request, and
// not from another's release as at the original.
func TestTimes(t *testing.T) {
	now := time.Unix(0, 0)
	table := New(func() time.Time { return now })
	quiet := func(poolcounter.Answer) {}
	a, b, c := table.NewClient(quiet), table.NewClient(quiet), table.NewClient(quiet)
	acquire(a, "k", false, 1, 9, 9)
	acquire(b, "k", false, 1, 9, 9)
	acquire(c, "k", true, 1, 9, 9)
	now = now.Add(3 * time.Second)
	a.Release()
	now = now.Add(2 * time.Second)
	b.Release()
	_, times := table.Counts()
	if want := (Times{
		Processing: 5 * time.Second, Gained: 3 * time.Second, Waiting: 3 * time.Second,
		WaitingForMe: 3 * time.Second, WaitingForGood: 3 * time.Second,
	}); times != want {
		t.Errorf("%+v, want %+v", times, want)
	}
}

// Whatever clients do in whatever order: limits hold, waiters are served in
// order, nobody waits while there is room, and past keys leave nothing behind.
func TestRandomConversations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const workers = 2
		table := New(time.Now)
		clients := make([]*Client, 6)
		answered := make([]bool, len(clients))
		for i := range clients {
			clients[i] = table.NewClient(func(poolcounter.Answer) { answered[i] = true })
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, len(clients)-1).Draw(t, "client")
			c := clients[i]
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1, 2:
				key := fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "key"))
				waited := c.waits()
				answer := acquire(c, key, rapid.Bool().Draw(t, "anyone"), workers, 5, 9)
				if waited && answer != poolcounter.MustWait && answer != poolcounter.LockHeld {
					t.Fatalf("a waiting client was answered %s", answer)
				}
			case 3:
				c.Release()
			case 4:
				c.GiveUp()
			case 5:
				c.Leave()
			}
			check(t, table, workers)
		}
		for _, c := range clients {
			c.Leave()
		}
		counts, _ := table.Counts()
		if len(table.pools) != 0 || counts.Pools != 0 || counts.Waiting != 0 || counts.Processing != 0 {
			t.Fatalf("left over: %+v", counts)
		}
	})
}

func check(t *rapid.T, table *Table, workers int) {
	for key, p := range table.pools {
		waiting := p.forMe.Len() + p.forAnyone.Len()
		if p.holders > workers || p.count != uint32(p.holders+waiting) || p.count == 0 || p.count > 5 {
			t.Fatalf("pool %s: %d hold, %d wait, counted %d", key, p.holders, waiting, p.count)
		}
		if waiting > 0 && p.holders < workers {
			t.Fatalf("pool %s: %d wait while %d hold", key, waiting, p.holders)
		}
	}
}
