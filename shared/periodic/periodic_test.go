package periodic

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestDoActsAtOnceAndThenOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		began := time.Now()
		var at []time.Duration
		Do(ctx, time.Second, func(context.Context) { at = append(at, time.Since(began)) })
		if len(at) != 4 || at[0] != 0 || at[3] != 3*time.Second {
			t.Errorf("acted at %v", at)
		}
	})
}

func TestDoDropsTheTicksOfASlowCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		calls := 0
		Do(ctx, time.Second, func(context.Context) { calls++; time.Sleep(4 * time.Second) })
		if calls != 3 {
			t.Errorf("%d calls of four seconds in ten", calls)
		}
	})
}

func TestDoEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	Do(ctx, time.Hour, func(context.Context) { t.Error("acted after the end") })
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := Sleep(t.Context(), time.Minute); err != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := Sleep(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute+time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
