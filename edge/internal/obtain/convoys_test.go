package obtain

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Six sizes wait for the lane. The test counts those that stand in its line.
func TestOneStandsInLineForSeveral(t *testing.T) {
	for name, c := range map[string]struct {
		batch  int
		change func(i int, r *Request)
		inLine int
	}{
		"one client":                     {batch: 16, inLine: 1},
		"more than a renderer's batch":   {batch: 4, inLine: 2},
		"renderers that take no batches": {batch: 1, inLine: 6},
		"two clients": {batch: 16, inLine: 2, change: func(i int, r *Request) {
			if i%2 == 1 {
				r.Client = "bob"
			}
		}},
		"two clients that per-ip does not count": {batch: 16, inLine: 1, change: func(i int, r *Request) {
			r.Client = clientaddr.Nobody + []string{"", " else"}[i%2]
		}},
		"two originals": {batch: 16, inLine: 2, change: func(i int, r *Request) {
			if i%2 == 1 {
				r.Target.Spec.Original.Path = "dog.jpg"
			}
		}},
		"drawings": {batch: 16, inLine: 6, change: func(_ int, r *Request) { r.Target.Spec.Type = "svg" }},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(w *world) {
				w.batch, w.settings.Throttle.PerIP.Workers = c.batch, 6
				w.head = func(thumbnail.Location) (objectstore.Info, error) {
					return objectstore.Info{Version: "v1", Size: 1000}, nil
				}
				w.admit = func(ctx context.Context, _ admission.Request) (bool, error) {
					<-ctx.Done()
					return false, ctx.Err()
				}
			}, func(t *testing.T, w *world) {
				ctx, leave := context.WithCancel(t.Context())
				var answers []<-chan answer
				for i := range 6 {
					answers = append(answers, w.ask(ctx, size(100+i, func(r *Request) {
						if c.change != nil {
							c.change(i, r)
						}
					})))
				}
				synctest.Wait()
				w.mu.Lock()
				if len(w.admitted) != c.inLine {
					t.Errorf("%d flights stand in line, want %d", len(w.admitted), c.inLine)
				}
				w.mu.Unlock()
				leave()
				for _, a := range answers {
					<-a
				}
			})
		})
	}
}

// The first of three sizes gets a grant or a refusal, or loses its client.
func TestTheFirstOfAConvoyEnds(t *testing.T) {
	laneFull := throttle.All().Get(throttle.Lane).Refuse(0, throttle.Full)
	for name, c := range map[string]struct {
		answer  error // to the first flight
		leaves  bool  // the first flight's client leaves
		asked   int   // requests to the coordinator, in all
		jobs    int
		along   int        // jobs that ride
		refused fault.Kind // of all flights
	}{
		"grant: the others ride":             {asked: 3, jobs: 1, along: 2},
		"refusal by a throttle: all refused": {answer: laneFull, asked: 1, refused: fault.LaneFull},
		"failure of the thumbnail elsewhere": {answer: fault.New(fault.Internal, "no"), asked: 3, jobs: 1, along: 1},
		"the first flight's client has left": {leaves: true, asked: 3, jobs: 1, along: 1},
	} {
		t.Run(name, func(t *testing.T) {
			gate := make(chan struct{})
			in(t, func(w *world) {
				gate = make(chan struct{})
				w.batch = 16
				w.head = func(thumbnail.Location) (objectstore.Info, error) {
					return objectstore.Info{Version: "v1", Size: 1000}, nil
				}
				w.admit = func(ctx context.Context, r admission.Request) (bool, error) {
					if r.Flight.Rides {
						return false, nil
					}
					select {
					case <-gate:
					case <-ctx.Done():
						return false, ctx.Err()
					}
					if r.Thumbnail == size(100, nil).Target.Key {
						return false, c.answer
					}
					return false, nil
				}
			}, func(t *testing.T, w *world) {
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				first := w.ask(ctx, size(100, nil))
				synctest.Wait()
				second := w.ask(t.Context(), size(200, nil))
				third := w.ask(t.Context(), size(300, nil))
				synctest.Wait()
				if c.leaves {
					leave()
					synctest.Wait()
				}
				close(gate)
				for range c.jobs {
					j := <-w.published
					if len(j.along) != c.along {
						t.Errorf("%d jobs ride, want %d", len(j.along), c.along)
					}
					for _, j := range append([]*job{j}, j.along...) {
						j.tell(renderjob.StateStarted, nil)
						j.tell(renderjob.StateRendered, nil)
						j.tell(renderjob.StateStored, nil)
					}
				}
				got := <-first
				if c.answer == nil && !c.leaves {
					got.wants(t, Rendered, "")
				}
				for _, a := range []answer{<-second, <-third} {
					if c.refused != "" {
						a.wants(t, "", c.refused)
					} else {
						a.wants(t, Rendered, "")
					}
				}
				if len(w.admitted) != c.asked {
					t.Errorf("the coordinator was asked %d times, want %d", len(w.admitted), c.asked)
				}
				if c.refused != "" && len(w.refusals) != 2 {
					t.Errorf("refusals of the other flights: %v", w.refusals)
				}
				if open := w.o.leading.next.convoys.open; len(open) != 0 {
					t.Errorf("convoys that are still open: %v", open)
				}
			})
		})
	}
}
