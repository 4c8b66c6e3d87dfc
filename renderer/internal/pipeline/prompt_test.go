package pipeline

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// A prompt store is first, and one result has the picture. When the store is slow after all, or fails, the client gets its
// picture by itself.
func TestAPromptStoreIsFirst(t *testing.T) {
	for name, c := range map[string]struct {
		set    func(w *world)
		states []renderjob.State
		fault  bool
	}{
		"in time": {func(*world) {}, []renderjob.State{renderjob.StateStarted, renderjob.StateStored}, false},
		"late": {func(w *world) { w.on["put"] = func(*world) { time.Sleep(2 * storesWithin) } }, // by the clock of the bubble
			[]renderjob.State{renderjob.StateStarted, renderjob.StateRendered, renderjob.StateStored}, false},
		"broken": {func(w *world) { w.broken["put"] = true },
			[]renderjob.State{renderjob.StateStarted, renderjob.StateRendered, renderjob.StateStored}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.pipeline.config.Prompt = func(at thumbnail.Location) bool { return at.Path == "a.png" }
				c.set(w)
				if err := w.process(delivery()); err != nil {
					t.Fatal(err)
				}
				if len(w.replies) != len(c.states) {
					t.Fatalf("replies %+v", w.replies)
				}
				for i, r := range w.replies {
					if pictured := i == 1; r.State != c.states[i] || pictured != (string(r.Image) == "picture") || pictured != (r.ETag != "") {
						t.Errorf("reply %d: %+v", i, r)
					}
				}
				if last := w.replies[len(w.replies)-1]; (last.Fault != nil) != c.fault {
					t.Errorf("the last reply is %+v", last)
				}
			})
		})
	}
}
