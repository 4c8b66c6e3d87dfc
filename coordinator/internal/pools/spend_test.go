package pools

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// bill is an observer of processor time.
type bill struct {
	unobserved
	spent map[string]time.Duration
}

func (b bill) Spent(client, original string, took time.Duration) {
	b.spent[client+" "+original] += took
}

// order grants the waiting requests of a lane of one place one after the other, and returns their ids.
func order(o *Owner, box *inbox, holder uint64, n int) (ids []uint64) {
	for range n {
		o.Release(holder, lease.Stored, "")
		holder = box.last().ID
		ids = append(ids, holder)
	}
	return ids
}

// A client's next turns come later by the processor time that its estimate did not foresee, and earlier if its
// renders took less.
func TestAClientIsChargedForItsRenders(t *testing.T) {
	for name, c := range map[string]struct {
		took time.Duration
		want []uint64
	}{
		"as estimated":                     {10 * time.Millisecond, []uint64{2, 4, 3, 5}},
		"far longer than estimated":        {time.Second, []uint64{4, 5, 2, 3}},
		"a little longer than estimated":   {15 * time.Millisecond, []uint64{4, 2, 5, 3}},
		"less than nothing is not charged": {0, []uint64{2, 4, 3, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			observed := bill{spent: map[string]time.Duration{}}
			table := New(observed)
			box := &inbox{}
			o, _ := table.Attach("e", box)
			o.SetRules([]lease.Rule{{Name: "lane:l", Workers: 1, MaxQueue: 100}, {Name: "per-original", Workers: 100, MaxQueue: 100}})
			for _, r := range []lease.Request{costing(1, "x"), costing(2, "x"), costing(3, "x"), costing(4, "y"), costing(5, "y")} {
				o.Acquire(r)
			}
			o.Spend(99, time.Hour) // nobody's
			o.Spend(2, time.Hour)  // it holds nothing yet
			o.Spend(1, c.took)
			got := order(o, box, 1, 4)
			for i := range got {
				if got[i] != c.want[i] {
					t.Fatalf("granted %v, want %v", got, c.want)
				}
			}
			o.Release(got[3], lease.Stored, "")
			wants(t, observed.spent["x original:o"], c.took)
			wants(t, len(observed.spent), 1)
			empty(t, table)
		})
	}
}

// A lease that gave its lane's place back is charged in the lane's line all the same, and its work is reported once.
func TestALeaseThatLeftItsLaneIsCharged(t *testing.T) {
	for name, c := range map[string]struct {
		took time.Duration
		want []uint64
	}{
		"as estimated":              {10 * time.Millisecond, []uint64{3, 5, 4, 6}},
		"far longer than estimated": {time.Second, []uint64{5, 6, 3, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				observed := work{spent: map[string]time.Duration{}, worked: map[string][]time.Duration{}}
				table, box := New(observed), &inbox{}
				o, _ := table.Attach("e", box)
				o.SetRules([]lease.Rule{{Name: "lane:l", Workers: 1, MaxQueue: 100}, {Name: "per-original", Workers: 100, MaxQueue: 100}})
				for _, r := range []lease.Request{costing(1, "x"), costing(2, "z"), costing(3, "x"), costing(4, "x"), costing(5, "y"), costing(6, "y")} {
					o.Acquire(r)
				}
				time.Sleep(5 * time.Second)
				narrower := costing(1, "x")
				narrower.Pools = narrower.Pools[1:]
				o.Claim(narrower)
				wants(t, box.last().ID, uint64(2))
				time.Sleep(time.Second)
				o.Spend(1, c.took)
				o.Release(1, lease.Stored, "")
				wants(t, fmt.Sprint(observed.worked["x"]), "[5s]")
				wants(t, observed.spent["x original:o"], c.took)
				got := order(o, box, 2, 4)
				wants(t, fmt.Sprint(got), fmt.Sprint(c.want))
				o.Release(got[3], lease.Stored, "")
				empty(t, table)
			})
		})
	}
}

// work is a bill that notes the time in lanes too.
type work struct {
	unobserved
	spent  map[string]time.Duration
	worked map[string][]time.Duration
}

func (w work) Spent(client, original string, took time.Duration) {
	bill{spent: w.spent}.Spent(client, original, took)
}

func (w work) Worked(client string, _ bool, held time.Duration) {
	w.worked[client] = append(w.worked[client], held)
}

func costing(id uint64, client string) lease.Request {
	r := requestFor(id, client, "lane:l", string(throttle.All().Get(throttle.PerOriginal).Class)+":o")
	r.Cost = 10
	return r
}
