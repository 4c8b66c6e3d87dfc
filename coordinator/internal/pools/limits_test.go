package pools

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// A coordinator starts again while edges have lower limits than before. Their leases of renders under way are above the
// limits: each is held, none is granted beside them, and the first grant comes when the leases are below the limit.
func TestOtherLimitsWhileLeasesSettle(t *testing.T) {
	for name, limits := range map[string]struct{ first, second uint32 }{
		"both edges have the new limit":       {2, 2},
		"one edge still has the former limit": {4, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table := New(nil)
				a, inA := attach(table, "a", limits.first)
				b, inB := attach(table, "b", limits.second)
				a.Settle()
				a.Acquire(requestFor(9, "x", "lane:l")) // before anybody claims
				for id := uint64(1); id <= 2; id++ {
					a.Claim(requestFor(id, "x", "lane:l"))
					b.Claim(requestFor(id, "y", "lane:l"))
				}
				time.Sleep(2 * lease.Settling)
				synctest.Wait()
				held, _, _ := table.Counts()
				wants(t, held.Claimed, int64(4))
				wants(t, inA.of(9).Kind, lease.Kind(0))
				for _, end := range []func(){
					func() { a.Release(1, lease.Stored, "") }, func() { a.Release(2, lease.Stored, "") },
				} {
					end()
					wants(t, inA.of(9).Kind, lease.Kind(0)) // 3 and then 2 of 2 places are held
				}
				b.Release(1, lease.Stored, "")
				wants(t, inA.of(9).Kind, lease.KindGranted)
				b.Acquire(requestFor(10, "y", "lane:l"))
				wants(t, inB.of(10).Kind, lease.Kind(0))
				a.SetRules([]lease.Rule{{Name: "0", Workers: 4, MaxQueue: 1000}}) // the operator takes the change back
				b.SetRules([]lease.Rule{{Name: "0", Workers: 4, MaxQueue: 1000}})
				wants(t, inB.of(10).Kind, lease.KindGranted)
				a.Release(9, lease.Stored, "")
				b.Release(2, lease.Stored, "")
				b.Release(10, lease.Stored, "")
				empty(t, table)
			})
		})
	}
}
