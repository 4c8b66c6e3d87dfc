package obtain

import (
	"slices"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// A flight whose original comes slowly gives its lane's place back at once, and all others at its end.
func TestASlowOriginTakesNoPlaceOfTheLane(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		answers := w.ask(t.Context(), cat("ann"))
		j := <-w.published
		j.tell(renderjob.StateStarted, nil)
		j.tell(renderjob.StateFetching, nil)
		j.finish()
		(<-answers).wants(t, Rendered, "")
		w.checkLease(t, admission.Outcome{Stored: true}, true)
		if w.left != 1 {
			t.Errorf("the lane's place was given back %d times before the end, want once", w.left)
		}
	})
}

// A store that does not answer the second look keeps the flight's places for a moment only.
func TestASlowStoreKeepsNoPlaces(t *testing.T) {
	in(t, func(w *world) { w.hanging = true }, func(t *testing.T, w *world) {
		asked := time.Now()
		answers := w.ask(t.Context(), cat("ann"))
		j := <-w.published
		if took := time.Since(asked); took > lookWithin {
			t.Errorf("the job is published after %v", took)
		}
		j.finish()
		(<-answers).wants(t, Rendered, "")
	})
}

// A flight whose job only stores gives its lane's place back before the end, if the renderer took the next job.
func TestAStoringJobTakesNoPlaceOfTheLane(t *testing.T) {
	for name, c := range map[string]struct {
		freed bool
		left  int
	}{"freed": {true, 1}, "with siblings, or an older renderer": {false, 0}} {
		t.Run(name, func(t *testing.T) {
			in(t, nil, func(t *testing.T, w *world) {
				answers := w.ask(t.Context(), cat("ann"))
				j := <-w.published
				j.tell(renderjob.StateStarted, nil)
				j.tell(renderjob.StateRendered, func(r *renderjob.Result) { r.Freed = c.freed })
				(<-answers).wants(t, Rendered, "")
				j.tell(renderjob.StateStored, nil)
				w.checkLease(t, admission.Outcome{Stored: true}, true)
				if w.left != c.left {
					t.Errorf("the lane's place was given back %d times before the end, want %d", w.left, c.left)
				}
			})
		})
	}
}

// A renderer with a fast store sends the picture with the last result: its flight reads nothing from the store.
func TestAStoredPictureComesWithTheLastResult(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		answers := w.ask(t.Context(), cat("ann"))
		j := <-w.published
		j.tell(renderjob.StateStarted, nil)
		j.tell(renderjob.StateStored, func(r *renderjob.Result) { r.Image = []byte("picture") })
		got := <-answers
		got.wants(t, Rendered, "")
		if string(got.thumb.Image) != "picture" || !slices.ContainsFunc(got.thumb.Times, func(s Step) bool { return s.Name == "worker" }) {
			t.Errorf("answered %q with %v", got.thumb.Image, got.thumb.Times)
		}
		w.checkLease(t, admission.Outcome{Stored: true}, true)
	})
}
