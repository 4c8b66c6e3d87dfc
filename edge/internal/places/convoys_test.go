package places

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// Six sizes wait for the lane. The test counts those that stand in its line.
func TestOneStandsInLineForSeveral(t *testing.T) {
	for name, c := range map[string]struct {
		batch  int
		change func(i int, n *Need)
		inLine int
	}{
		"one client":                     {batch: 16, inLine: 1},
		"more than a renderer's batch":   {batch: 4, inLine: 2},
		"renderers that take no batches": {batch: 1, inLine: 6},
		"two clients":                    {batch: 16, inLine: 2, change: func(i int, n *Need) { n.Request.Flight.Client = fmt.Sprint("client ", i%2) }},
		"two clients that per-ip does not count": {batch: 16, inLine: 1, change: func(i int, n *Need) {
			*n = size(clientaddr.Nobody+[]string{"", " else"}[i%2], n.Request.Thumbnail.Path)
		}},
		"two originals":              {batch: 16, inLine: 2, change: func(i int, n *Need) { n.Request.Flight.Original.Path = fmt.Sprint(i%2, ".jpg") }},
		"renders that share nothing": {batch: 16, inLine: 6, change: func(_ int, n *Need) { n.Shared = false }},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(w *world) {
				w.batch, w.settings.Throttle.PerIP.Workers = c.batch, 6
				w.admit = func(ctx context.Context, _ admission.Request) (bool, error) {
					<-ctx.Done()
					return false, ctx.Err()
				}
			}, func(t *testing.T, w *world) {
				ctx, leave := context.WithCancel(t.Context())
				var answers []<-chan Grant
				for i := range 6 {
					n := size("ann", fmt.Sprint(i))
					if c.change != nil {
						c.change(i, &n)
					}
					answers = append(answers, w.get(ctx, n))
				}
				if n := w.asked(); n != c.inLine {
					t.Errorf("%d flights stand in line, want %d", n, c.inLine)
				}
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
	for name, c := range map[string]struct {
		answer  error      // to the first flight
		leaves  bool       // the first flight's client leaves
		asked   int        // requests to the coordinator, in all
		along   int        // jobs that ride with the only job
		refused fault.Kind // of all flights
	}{
		"grant: the others ride":             {asked: 3, along: 2},
		"refusal by a throttle: all refused": {answer: laneFull, asked: 1, refused: fault.LaneFull},
		"failure of the thumbnail elsewhere": {answer: fault.New(fault.Internal, "no"), asked: 3, along: 1},
		"the first flight's client has left": {leaves: true, asked: 3, along: 1},
	} {
		t.Run(name, func(t *testing.T) {
			gate := make(chan struct{})
			in(t, func(w *world) {
				gate = make(chan struct{})
				w.admit = func(ctx context.Context, r admission.Request) (bool, error) {
					if r.Flight.Rides {
						return false, nil
					}
					select {
					case <-gate:
					case <-ctx.Done():
						return false, ctx.Err()
					}
					if r.Thumbnail.Path == "first" {
						return false, c.answer
					}
					return false, nil
				}
			}, func(t *testing.T, w *world) {
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				first := w.get(ctx, size("ann", "first"))
				others := []<-chan Grant{w.get(t.Context(), size("ann", "second")), w.get(t.Context(), size("ann", "third"))}
				if c.leaves {
					leave()
					<-first
				}
				close(gate)
				if !c.leaves {
					<-first
				}
				for _, g := range others {
					(<-g).wants(t, c.refused)
				}
				if n := w.asked(); n != c.asked {
					t.Errorf("the coordinator was asked %d times, want %d", n, c.asked)
				}
				synctest.Wait() // the first flight may still publish its job
				if jobs := w.jobs(); c.refused == "" && (len(jobs) != 1 || len(jobs[0].along) != c.along) {
					t.Errorf("published %+v, want one job with %d others", jobs, c.along)
				}
				if c.refused != "" && len(w.refusals) != 2 {
					t.Errorf("refusals of the other flights: %v", w.refusals)
				}
			})
		})
	}
}

// A flight behind another stands in line itself when the first one waits too long, for instance for
// another edge's render of its thumbnail.
func TestAFlightOutlastsItsConvoy(t *testing.T) {
	gate := make(chan struct{})
	in(t, func(w *world) {
		gate = make(chan struct{})
		w.admit = func(_ context.Context, r admission.Request) (bool, error) {
			if r.Thumbnail.Path == "first" {
				<-gate
			}
			return false, nil
		}
	}, func(t *testing.T, w *world) {
		first, second := w.get(t.Context(), size("ann", "first")), w.get(t.Context(), size("ann", "second"))
		(<-second).wants(t, "")
		if jobs := w.jobs(); len(jobs) != 1 || jobs[0].id != "second" {
			t.Errorf("published %+v", jobs)
		}
		close(gate)
		(<-first).wants(t, "")
	})
}
