package obtain

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// sized returns a client's request for another size and format.
func sized(client string, of thumbnail.Type, width int, f thumbnail.Format) Request {
	r := cat(client)
	r.Target.Spec.Type, r.Target.Spec.Width, r.Target.Spec.Format, r.Target.Spec.Quality = of, width, f, 87
	r.Target.Key.Path = string(of) + time.Duration(width).String()
	return r
}

func photograph(w *world) {
	w.head = func(thumbnail.Location) (objectstore.Info, error) {
		return objectstore.Info{Version: "v1", Size: 10_000_000}, nil
	}
}

// next asks for a thumbnail, and returns its job. The job takes a processor time and then ends.
func (w *world) next(t *testing.T, r Request, cpu time.Duration) renderjob.Job {
	t.Helper()
	answers := w.ask(t.Context(), r)
	j := <-w.published
	took := func(r *renderjob.Result) { r.CPUMS = float64(cpu.Milliseconds()) }
	j.tell(renderjob.StateStarted, nil)
	j.tell(renderjob.StateRendered, took)
	j.tell(renderjob.StateStored, took)
	(<-answers).wants(t, Rendered, "")
	synctest.Wait()
	return j.asked
}

// A huge WebP of a photograph starts in the bulk lane, beside the slots, and may wait there for another one.
func TestAHugeThumbnailStartsSlow(t *testing.T) {
	in(t, photograph, func(t *testing.T, w *world) {
		huge := w.next(t, sized("ann", thumbnail.TypeJPEG, 6000, thumbnail.FormatWebP), 7*time.Second)
		if huge.Lane != renderjob.LaneBulk || !huge.Slow || huge.StartWithinMS <= w.settings.Renderer.TimeLimit.Milliseconds() {
			t.Errorf("%s, slow %v, begins within %d ms", huge.Lane, huge.Slow, huge.StartWithinMS)
		}
		usual := w.next(t, sized("ann", thumbnail.TypeJPEG, 330, thumbnail.FormatWebP), 20*time.Millisecond)
		if usual.Lane != renderjob.LaneStandard || usual.Slow {
			t.Errorf("a usual thumbnail: %s, slow %v", usual.Lane, usual.Slow)
		}
		if r := w.admitted[0]; !r.Flight.Slow || r.Cost < 4*time.Second || w.ends()[0].CPU != 7*time.Second {
			t.Errorf("%+v, ended %+v", r, w.ends())
		}
	})
}

// A drawing that took long starts slow the next time, in any size. So do the drawings of a client that takes more than
// its share, until a minute later.
func TestDrawingsThatTookLongStartSlow(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		width := 100
		drawing := func(client, original string, cpu time.Duration) bool {
			width++
			r := sized(client, thumbnail.TypeSVG, width, thumbnail.FormatPNG)
			r.Target.Spec.Original.Path = original
			return w.next(t, r, cpu).Slow
		}
		const short, long = 300 * time.Millisecond, 5 * time.Second
		if drawing("ann", "a.svg", short) || drawing("ann", "a.svg", long) {
			t.Error("an unknown drawing starts slow")
		}
		if !drawing("bob", "a.svg", short) || drawing("bob", "a.svg", short) {
			t.Error("want a drawing that took five seconds to start slow, and no longer after it was short")
		}
		if !drawing("ann", "b.svg", short) || drawing("bob", "b.svg", short) {
			t.Error("want the drawings of the client that took five seconds to start slow, and no others")
		}
		time.Sleep(3 * time.Minute)
		if drawing("ann", "b.svg", short) {
			t.Error("the client pays for ever")
		}
	})
}

// A job that moves to another lane gives its lane's place back, and the time of its first try counts.
func TestAMovedJobLeavesItsLane(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		answers := w.ask(t.Context(), cat("ann"))
		j := <-w.published
		j.tell(renderjob.StateStarted, nil)
		j.tell(renderjob.StateMoved, func(r *renderjob.Result) { r.CPUMS = 5000 })
		j.tell(renderjob.StateStarted, nil)
		j.tell(renderjob.StateStored, func(r *renderjob.Result) { r.CPUMS = 7000 })
		(<-answers).wants(t, Rendered, "")
		w.checkLease(t, admission.Outcome{Stored: true}, true)
		if w.left != 1 || w.ends()[0].CPU != 12*time.Second {
			t.Errorf("the lane's place was given back %d times, charged %v", w.left, w.ends()[0].CPU)
		}
	})
}

// A slow job is given up only when a slow render before it must have ended.
func TestASlowJobMayWait(t *testing.T) {
	in(t, photograph, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		answers := w.ask(ctx, sized("ann", thumbnail.TypeJPEG, 6000, thumbnail.FormatWebP))
		j := <-w.published
		time.Sleep(w.settings.Deadline().Start + 10*time.Second)
		j.finish()
		(<-answers).wants(t, Rendered, "")
	})
}
