package places

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// A client whose line is full is refused before anything else is asked for, except for another size of an original
// that stands in line already. Other clients are not.
func TestAFullLineRefusesEarly(t *testing.T) {
	gate := make(chan struct{})
	in(t, func(w *world) {
		gate = make(chan struct{})
		w.settings.Throttle.PerIP.Workers, w.settings.Throttle.PerIP.MaxQueue = 2, 5
		w.admit = func(ctx context.Context, _ admission.Request) (bool, error) {
			select {
			case <-gate:
			case <-ctx.Done():
			}
			return false, ctx.Err()
		}
	}, func(t *testing.T, w *world) {
		of := func(client string, n int) Need {
			need := size(client, fmt.Sprint(n))
			need.Request.Flight.Original = thumbnail.Location{Path: fmt.Sprintf("%d.jpg", n)}
			return need
		}
		var waiting []<-chan Grant
		for n := range 5 {
			if err := w.places.RefuseFull(of("ann", n), true); err != nil {
				t.Errorf("flight %d: %v", n, err)
			}
			waiting = append(waiting, w.get(t.Context(), of("ann", n)))
			synctest.Wait()
		}
		if err := w.places.RefuseFull(of("ann", 9), true); !fault.Is(err, fault.Throttled) || len(w.refusals) != 1 {
			t.Errorf("beyond the line: %v, counted %v", err, w.refusals)
		}
		if err := w.places.RefuseFull(of("ann", 3), true); err != nil {
			t.Errorf("another size: %v", err)
		}
		if err := w.places.RefuseFull(of("bob", 9), true); err != nil {
			t.Errorf("another client: %v", err)
		}
		close(gate)
		for _, g := range waiting {
			<-g
		}
		synctest.Wait()
		if err := w.places.RefuseFull(of("ann", 9), true); err != nil || len(w.places.convoys.visits) != 0 {
			t.Errorf("after the line: %v, %v", err, w.places.convoys.visits)
		}
	})
}
