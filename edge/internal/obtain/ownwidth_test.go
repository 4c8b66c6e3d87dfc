package obtain

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// odd returns a request for a width in pixels that is not standard.
func odd(width int) Request {
	r := cat("a")
	r.Target.Spec.Width, r.Target.Key.Path, r.Target.Odd = width, "cat/odd", &target.Odd{}
	return r
}

// A renderer measures an original once: then the edge knows its own width, until edge.revalidate or a purge.
func TestAnOriginalsOwnWidthIsMeasuredOnce(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		measured := func(width int) {
			t.Helper()
			asked := w.ask(t.Context(), odd(width))
			j := <-w.published
			if !j.asked.OwnWidthOnly || j.asked.Bucket != 0 {
				t.Errorf("the job is %+v", j.asked)
			}
			j.tell(renderjob.StateStarted, nil)
			j.tell(renderjob.StateFailed, func(r *renderjob.Result) { r.Fault, r.OwnWidth = renderjob.OddWidth(width, 90), 90 })
			(<-asked).wants(t, "", fault.OddSize)
		}
		measured(70)
		(<-w.ask(t.Context(), odd(80))).wants(t, "", fault.OddSize)
		asked := w.ask(t.Context(), odd(90))
		(<-w.published).finish()
		(<-asked).wants(t, Rendered, "")
		w.o.Forget(thumbnail.Location{Path: "cat.jpg"})
		measured(80)
		time.Sleep(w.settings.Edge.Revalidate + time.Second)
		measured(80)
		w.o.ForgetAll()
		measured(80)
		synctest.Wait()
		if len(w.published) > 0 {
			t.Error("a width that is known to be odd was asked of a renderer")
		}
	})
}
