package activity

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/throttle"
)

func TestBusiest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New()
		busiest := func() string { return fmt.Sprint(a.Busiest(throttle.PerIP, Requests)) }
		for n := range 3 {
			a.Asked("ip:x")
			a.Asked(fmt.Sprint("original:", n))
		}
		a.Asked("ip:y")
		a.Asked("somebody's key")
		a.Refused("ip:y", "ip:y")
		a.Refused("ip:y", "lane:standard")
		a.Refused("ip:y", "lane:standard")
		if got := fmt.Sprint(a.Busiest(throttle.PerIP, Refusals)); got != "[{y 2 lane:standard} {y 1 per-ip}]" {
			t.Error(got)
		}
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{0, "[{x 3 } {y 1 }]"}, {window, "[{x 3 } {y 1 }]"}, {window, "[]"}} {
			time.Sleep(step.after)
			if got := busiest(); got != step.want {
				t.Errorf("%s, want %s", got, step.want)
			}
		}
		a.Asked("ip:z")
		time.Sleep(10 * time.Hour)
		if got := busiest(); got != "[]" {
			t.Errorf("after ten hours without requests: %s", got)
		}
		for n := range 100_000 { // a flood of addresses does not hide the busiest client
			a.Asked(fmt.Sprint("ip:", n))
			if n%10 == 0 {
				a.Asked("ip:greedy")
			}
		}
		if all := a.Busiest(throttle.PerIP, Requests); len(all) != kept || all[0].Name != "greedy" {
			t.Errorf("%v", all)
		}
	})
}
