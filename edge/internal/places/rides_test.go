package places

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// One size is granted its places, while another client's flight waits for the lane.
func TestRides(t *testing.T) {
	for name, c := range map[string]struct {
		batch  int
		change func(*Need) // changes the waiting flight's need
		places error       // the answer to the waiting flight's request for its other places
		rides  bool
	}{
		"the flight rides":               {batch: 16, rides: true},
		"renderers that take no batches": {batch: 1},
		"another original":               {batch: 16, change: func(n *Need) { n.Request.Flight.Original.Path = "dog.jpg" }},
		"another version":                {batch: 16, change: func(n *Need) { n.Version = "v2" }},
		"another lane":                   {batch: 16, change: func(n *Need) { n.Request.Flight.Lane = renderjob.LaneBulk }},
		"a render that shares nothing":   {batch: 16, change: func(n *Need) { n.Shared = false }},
		"no free place in another pool":  {batch: 16, places: fault.New(fault.Throttled, "no")},
		"no answer within boardWithin":   {batch: 16, places: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			var gates map[string]chan struct{} // by thumbnail
			in(t, func(w *world) {
				gates = map[string]chan struct{}{"waiting": make(chan struct{}), "granted": make(chan struct{})}
				w.batch = c.batch
				w.admit = func(ctx context.Context, r admission.Request) (bool, error) {
					open := gates[r.Thumbnail.Path]
					switch {
					case r.Flight.Rides && c.places == context.DeadlineExceeded:
						open = nil
					case r.Flight.Rides:
						return false, c.places
					}
					select {
					case <-open:
						return false, nil
					case <-ctx.Done():
						return false, ctx.Err()
					}
				}
			}, func(t *testing.T, w *world) {
				other := size("ann", "waiting")
				if c.change != nil {
					c.change(&other)
				}
				waiting, granted := w.get(t.Context(), other), w.get(t.Context(), size("bob", "granted"))
				close(gates["granted"])
				(<-granted).wants(t, "")
				jobs := w.jobs()
				if len(jobs) != 1 || slices.Equal(jobs[0].along, []string{"waiting"}) != c.rides {
					t.Errorf("published %+v", jobs)
				}
				close(gates["waiting"])
				(<-waiting).wants(t, "")
				if n := len(w.jobs()); c.rides != (n == 1) {
					t.Errorf("%d jobs are published by themselves", n)
				}
			})
		})
	}
}

// A flight that stands in line and rides gives the place back that the line brings it in the same moment.
func TestAPlaceThatComesTooLate(t *testing.T) {
	gate := make(chan struct{})
	in(t, func(w *world) {
		gate = make(chan struct{})
		w.admit = func(_ context.Context, r admission.Request) (bool, error) {
			if r.Thumbnail.Path == "first" || !r.Flight.Rides {
				<-gate
			}
			return false, nil
		}
	}, func(t *testing.T, w *world) {
		first, second := w.get(t.Context(), size("ann", "first")), w.get(t.Context(), size("bob", "second"))
		close(gate)
		(<-first).wants(t, "")
		(<-second).wants(t, "")
		if n := len(w.jobs()); n == 1 && w.released != 1 {
			t.Errorf("one flight rides; %d leases were given back, want 1", w.released)
		}
	})
}

// A job that boards too late is published by itself. A flight that leaves declines its offer.
func TestLateForARide(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		on, of := newRides(), size("ann", "late")
		p, left := on.wait(of), on.wait(of)
		r := on.offer(of, 15)
		on.leave(left)
		if held := r.depart(); len(held) != 0 {
			t.Errorf("%d jobs boarded", len(held))
		}
		(<-p.offers).board(w.Hold(t.Context(), renderjob.Job{ID: "late"}))
		if jobs := w.jobs(); len(jobs) != 1 || jobs[0].id != "late" {
			t.Errorf("published %+v", jobs)
		}
		on.leave(p)
		if len(on.waiting) != 0 {
			t.Errorf("flights that still wait: %v", on.waiting)
		}
		synctest.Wait()
	})
}
