package obtain

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// size returns a request for the cat in a width, in pixels.
func size(width int, change func(*Request)) Request {
	r := cat("ann")
	r.Target.Spec.Width, r.Target.Key.Path = width, fmt.Sprint("cat/", width)
	if change != nil {
		change(&r)
	}
	return r
}

// One size is granted its places, while another client's flight waits for the lane.
func TestRides(t *testing.T) {
	for name, c := range map[string]struct {
		batch  int
		change func(*Request) // changes the waiting flight's request
		places error          // the answer to the waiting flight's request for its other places
		along  int            // jobs that ride
	}{
		"the flight rides":               {batch: 16, along: 1},
		"renderers that take no batches": {batch: 1},
		"another original":               {batch: 16, change: func(r *Request) { r.Target.Spec.Original.Path = "dog.jpg" }},
		"another lane":                   {batch: 16, change: func(r *Request) { r.Bulk = true }},
		"a watermark": {batch: 16, change: func(r *Request) {
			r.Target.Spec.Operations = []thumbnail.Operation{{Picture: &thumbnail.Location{Path: "m.png"}}}
		}},
		"no free place in another pool": {batch: 16, places: fault.New(fault.Throttled, "no")},
		"no answer within boardWithin":  {batch: 16, places: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			gate, other := make(chan struct{}), make(chan struct{})
			first := size(100, nil)
			in(t, func(w *world) {
				gate, other = make(chan struct{}), make(chan struct{})
				w.batch = c.batch
				w.head = func(thumbnail.Location) (objectstore.Info, error) {
					return objectstore.Info{Version: "v1", Size: 1000}, nil
				}
				w.admit = func(ctx context.Context, r admission.Request) (bool, error) {
					open := other
					switch {
					case r.Flight.Rides && c.places == context.DeadlineExceeded:
						open = nil
					case r.Flight.Rides:
						return false, c.places
					case r.Thumbnail == first.Target.Key:
						open = gate
					}
					select {
					case <-open:
						return false, nil
					case <-ctx.Done():
						return false, ctx.Err()
					}
				}
			}, func(t *testing.T, w *world) {
				second := w.ask(t.Context(), size(200, c.change))
				synctest.Wait()
				by := first
				by.Client = "bob"
				primary := w.ask(t.Context(), by)
				synctest.Wait()
				close(gate)
				j := <-w.published
				if len(j.along) != c.along {
					t.Errorf("%d jobs ride, want %d", len(j.along), c.along)
				}
				jobs := append([]*job{j}, j.along...)
				if c.along == 0 {
					close(other) // the waiting flight gets its place of the lane
					jobs = append(jobs, <-w.published)
				}
				for _, j := range jobs {
					j.tell(renderjob.StateStarted, nil)
					j.tell(renderjob.StateRendered, nil)
					j.tell(renderjob.StateStored, nil)
				}
				(<-primary).wants(t, Rendered, "")
				(<-second).wants(t, Rendered, "")
				synctest.Wait()
				if ends := w.ends(); len(ends) != 2 || !ends[0].Stored || !ends[1].Stored {
					t.Errorf("leases ended: %+v", ends)
				}
			})
		})
	}
}

// A job that boards too late is published by itself. A flight that leaves declines its offer.
func TestLateForARide(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		on := newRides()
		of := work{request: cat("ann"), version: "v1", lane: renderjob.LaneStandard}
		p, left := on.wait(of), on.wait(of)
		r := on.offer(of, 15)
		on.leave(left)
		if held := r.depart(); len(held) != 0 {
			t.Errorf("%d jobs boarded", len(held))
		}
		late := w.opened(renderjob.Job{ID: "late"})
		(<-p.offers).board(late)
		if got := <-w.published; got != late {
			t.Error("another job was published")
		}
		on.leave(p)
		if len(on.waiting) != 0 {
			t.Errorf("flights that still wait: %v", on.waiting)
		}
	})
}
