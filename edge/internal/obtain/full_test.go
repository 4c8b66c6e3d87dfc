package obtain

import (
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// While a lane is full, a request is refused before its original is asked for. Stored thumbnails, requests of a flight
// under way, renders in advance, and requests while the queue stalls are not.
func TestAFullLaneRefusesEarly(t *testing.T) {
	asked := 0
	change := func(w *world) {
		asked = 0
		w.head = func(thumbnail.Location) (objectstore.Info, error) {
			asked++
			return objectstore.Info{Version: "v1", Size: 1000}, nil
		}
	}
	in(t, change, func(t *testing.T, w *world) {
		before := w.ask(t.Context(), cat("ann"))
		j := <-w.published
		w.full = true
		joined := w.ask(t.Context(), cat("bob"))
		time.Sleep(time.Millisecond)
		other := cat("eve")
		other.Target.Key.Path, other.Looked = "other", true
		(<-w.ask(t.Context(), other)).wants(t, "", fault.LaneFull)
		if asked != 1 {
			t.Errorf("%d originals were asked for, want the first flight's alone", asked)
		}
		j.finish()
		(<-before).wants(t, Rendered, "")
		(<-joined).wants(t, Rendered, "")
		(<-w.ask(t.Context(), cat("carl"))).wants(t, Hit, "")
		other.Bulk = true
		bulk := w.ask(t.Context(), other)
		(<-w.published).finish()
		(<-bulk).wants(t, Rendered, "")
	})
	in(t, change, func(t *testing.T, w *world) {
		w.full, w.electing = true, true
		answers := w.ask(t.Context(), cat("ann"))
		(<-w.published).finish()
		(<-answers).wants(t, Rendered, "")
	})
}
