package obtain

import (
	"testing"

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
