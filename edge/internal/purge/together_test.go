package purge

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Forty who ask while a purge is under way share one more, which began after they asked.
func TestPurgesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var purges atomic.Int32
		proceed := make(chan struct{})
		both := NewTogether(func(context.Context, string) Report {
			purges.Add(1)
			<-proceed
			return Report{}
		})
		defer both.Close()
		var group sync.WaitGroup
		ask := func() {
			group.Go(func() {
				if err := both.Purge(t.Context(), "a.jpg"); err != nil {
					t.Error(err)
				}
			})
		}
		ask()
		synctest.Wait()
		for range 40 {
			ask()
		}
		synctest.Wait()
		if n := purges.Load(); n != 1 {
			t.Errorf("%d purges are under way", n)
		}
		proceed <- struct{}{}
		synctest.Wait()
		if n := purges.Load(); n != 2 {
			t.Errorf("%d purges began for those who came later", n-1)
		}
		proceed <- struct{}{}
		group.Wait()
		synctest.Wait()
		if n := purges.Load(); n != 2 || len(both.turns) != 0 {
			t.Errorf("%d purges, %d under way", n, len(both.turns))
		}
	})
}

func TestAPurgeThatMisses(t *testing.T) {
	one := NewTogether(func(context.Context, string) Report { return Report{Missed: []string{"edge-7: no answer"}} })
	if err := one.Purge(t.Context(), "a.jpg"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
	one.Close()
	if err := one.Purge(t.Context(), "a.jpg"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("after its end: %v", err)
	}
}
