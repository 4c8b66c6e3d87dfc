package pipeline

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// sibling returns a job like the job of delivery, with another width.
func sibling(id string, width int) renderjob.Sibling {
	j := delivery().Job
	j.ID, j.Key, j.Spec.Width = id, at(id), width
	return renderjob.Sibling{Job: j, WaitedMS: 10}
}

// told returns the states of a job that the edge heard, in their order.
func (w *world) told(id string) string {
	var states []string
	for _, r := range w.replies {
		switch {
		case r.JobID != id:
		case r.Fault != nil:
			states = append(states, string(r.State)+":"+string(r.Fault.Kind))
		default:
			states = append(states, string(r.State))
		}
	}
	return strings.Join(states, " ")
}

func (w *world) count(event string) (n int) {
	for _, e := range w.events {
		if e == event {
			n++
		}
	}
	return n
}

// TestTogether processes a job j with siblings a and b.
func TestTogether(t *testing.T) {
	const whole, sibling1 = "started rendered stored", "rendered stored"
	ends := func(err error) []func() (engine.Result, error) {
		return []func() (engine.Result, error){fails(err), draws("alone")}
	}
	midway := func(err error) []func() (engine.Result, error) {
		return []func() (engine.Result, error){draws("j"), draws("a"), fails(err), draws("never")}
	}
	for name, c := range map[string]struct {
		job     func(*intake.Delivery)
		world   func(*world)
		j, a, b string // the states that the edge hears
		renders int
		handed  error
		kept    int
	}{
		"all succeed": {j: whole, a: sibling1, b: sibling1, renders: 3, kept: 3},
		"a sibling fails": {
			world: func(w *world) {
				w.renders = []func() (engine.Result, error){draws("j"), fails(fault.New(fault.BadURL, "no")), draws("b")}
			}, j: whole, a: "failed:bad-url", b: sibling1, renders: 3, kept: 2,
		},
		"the job itself fails": {
			world: func(w *world) {
				w.renders = []func() (engine.Result, error){fails(fault.New(fault.BadURL, "no")), draws("a")}
			}, j: "started failed:bad-url", a: sibling1, b: sibling1, renders: 3, kept: 2,
		},
		"the worker dies at once":     {world: func(w *world) { w.renders = ends(worker.ErrDied) }, j: whole, a: "released", b: "released", renders: 2, kept: 1},
		"the first takes too long":    {world: func(w *world) { w.renders = ends(fault.New(fault.Overran, "long")) }, j: whole, a: "released", b: "released", renders: 2, kept: 1},
		"the worker dies at the last": {world: func(w *world) { w.renders = midway(worker.ErrDied) }, j: whole, a: sibling1, b: "released", renders: 3, kept: 2},
		"the last takes too long":     {world: func(w *world) { w.renders = midway(fault.New(fault.Overran, "long")) }, j: whole, a: sibling1, b: "released", renders: 3, kept: 2},
		"the original is absent":      {world: func(w *world) { w.remove("a.png") }, j: "started failed:absent", a: "failed:absent", b: "failed:absent"},
		"the original is damaged":     {world: func(w *world) { w.set("a.png", file{}) }, j: "started failed:undecodable", a: "failed:undecodable", b: "failed:undecodable"},
		"the original is long":        {world: func(w *world) { w.set("a.png", file{body: sized(w.t, 8000)}) }, j: "started moved", handed: intake.ErrLong},
		"the renderer drains":         {world: func(w *world) { close(w.drain) }, j: "started", handed: intake.ErrNotBegun},
		"the renderer stops":          {world: func(w *world) { w.on["several"] = func(w *world) { w.stop() } }, j: "started", renders: 1, handed: errUnfinished},
		"the deadline passes": {
			world: func(w *world) { w.on["fetch a.png"] = func(*world) { time.Sleep(2 * time.Minute) } }, // past the deadline, in the bubble's time
			j:     "started fetching failed:original-store",
		},
		"an earlier delivery stored a sibling": {
			job: func(d *intake.Delivery) { d.Deliveries = 2 },
			world: func(w *world) {
				w.kept["a"] = objectstore.Meta{SpecDigest: w.siblings[0].Job.Spec.Digest(), OriginalVersion: "v1"}
			}, j: whole, a: "stored", b: sibling1, renders: 2, kept: 3,
		},
		"the original is purged": {
			world: func(w *world) { w.on["several"] = (*world).purge },
			j:     "started rendered stored:original-store", a: "rendered stored:original-store", b: "rendered stored:original-store", renders: 3,
		},
		"a picture too large for a message": {
			world: func(w *world) { w.renders[0] = draws(strings.Repeat("x", renderjob.MaxInline+1)) },
			j:     "started stored", a: "stored", b: "stored", renders: 3, kept: 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, d := newWorld(t), delivery()
				w.siblings = []renderjob.Sibling{sibling("a", 20), sibling("b", 30)}
				if c.job != nil {
					c.job(&d)
				}
				if c.world != nil {
					c.world(w)
				}
				if err := w.process(d); !errors.Is(err, c.handed) {
					t.Errorf("Process returns %v, want %v", err, c.handed)
				}
				synctest.Wait()
				for id, want := range map[string]string{"j": c.j, "a": c.a, "b": c.b} {
					if got := w.told(id); got != want {
						t.Errorf("the edge hears %q of job %s, want %q", got, id, want)
					}
				}
				if last := w.replies[len(w.replies)-1]; c.handed == nil && last.JobID != "j" {
					t.Errorf("the last reply is about job %s, so the edge would release it", last.JobID)
				}
				if w.count("fetch a.png") > 1 || w.count("render") != c.renders || len(w.keptPaths()) != c.kept {
					t.Errorf("%d fetches, %d renders, kept %v", w.count("fetch a.png"), w.count("render"), w.keptPaths())
				}
				if w.pipeline.Busy() != 0 || len(w.pipeline.Jobs()) != 0 {
					t.Errorf("%d slots are busy, and these jobs are left: %v", w.pipeline.Busy(), w.pipeline.Jobs())
				}
			})
		})
	}
}

func TestMoreSiblingsThanAreTaken(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.siblings = append(w.siblings, sibling(string(rune('A'+i)), 20+i))
	}
	if err := w.process(delivery()); err != nil || w.count("render") != 16 {
		t.Errorf("%d renders, %v", w.count("render"), err)
	}
}
