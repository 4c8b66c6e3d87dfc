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

// Six sizes wait for the lane; how many of them stand in its line?
func TestOneStandsInLineForSeveral(t *testing.T) {
	for name, c := range map[string]struct {
		batch  int
		change func(i int, r *Request)
		inLine int
	}{
		"all of one client's":       {batch: 16, inLine: 1},
		"more than a renderer does": {batch: 4, inLine: 2},
		"renderers take each alone": {batch: 1, inLine: 6},
		"of two clients": {batch: 16, inLine: 2, change: func(i int, r *Request) {
			if i%2 == 1 {
				r.Client = "bob"
			}
		}},
		"of two clients that per-ip does not count": {batch: 16, inLine: 1, change: func(i int, r *Request) {
			r.Client = clientaddr.Nobody + []string{"", " else"}[i%2]
		}},
		"of two originals": {batch: 16, inLine: 2, change: func(i int, r *Request) {
			if i%2 == 1 {
				r.Target.Spec.Original.Path = "dog.jpg"
			}
		}},
		"drawings": {batch: 16, inLine: 6, change: func(_ int, r *Request) { r.Target.Spec.Type = "svg" }},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(w *world) {
				w.batch = c.batch
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
					t.Errorf("%d stand in line, want %d", len(w.admitted), c.inLine)
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

// The first of three sizes ends in a way; the others follow.
func TestWhatBecomesOfTheFirst(t *testing.T) {
	laneFull := throttle.All().Get(throttle.Lane).Refuse(0, "full")
	for name, c := range map[string]struct {
		answer  error // to the first that stands in line
		leaves  bool  // its client does
		asked   int   // of the coordinator, in all
		jobs    int
		along   int
		refused fault.Kind // all are
	}{
		"it is granted, and the others come along": {asked: 3, jobs: 1, along: 2},
		"a throttle refuses it, and so all":        {answer: laneFull, asked: 1, refused: fault.LaneFull},
		"its thumbnail failed elsewhere":           {answer: fault.New(fault.Internal, "no"), asked: 3, jobs: 1, along: 1},
		"its client leaves":                        {leaves: true, asked: 3, jobs: 1, along: 1},
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
						t.Errorf("%d come along, want %d", len(j.along), c.along)
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
					t.Errorf("refusals counted for the others: %v", w.refusals)
				}
				if open := w.o.leading.next.convoys.open; len(open) != 0 {
					t.Errorf("left behind: %v", open)
				}
			})
		})
	}
}
