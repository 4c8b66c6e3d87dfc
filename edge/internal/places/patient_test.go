package places

import (
	"context"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// While the queue's servers elect a leader, the flights with places wait for the queue. The edge asks
// the coordinator again until the election must be over.
func TestTheLaneIsFullDuringAnElection(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world)
		ends   int // refusals before the lane has a free place
		want   fault.Kind
	}{
		"the queue elects, and comes back":    {func(w *world) { w.electing = true }, 5, ""},
		"this edge's jobs are stuck":          {func(w *world) { w.unstarted = time.Minute }, 5, ""},
		"another edge's jobs are stuck":       {func(w *world) { w.stalls = true }, 5, ""},
		"the queue never comes back":          {func(w *world) { w.electing = true }, 1000, fault.LaneFull},
		"all renderers are busy":              {func(w *world) { w.unstarted, w.busy = time.Minute, true }, 1, fault.LaneFull},
		"renderers are idle and no job waits": {nil, 1, fault.LaneFull},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, c.change, func(t *testing.T, w *world) {
				w.admit = func(context.Context, admission.Request) (bool, error) {
					w.mu.Lock()
					defer w.mu.Unlock()
					if len(w.admitted) <= c.ends {
						return false, laneFull
					}
					return false, nil
				}
				(<-w.get(t.Context(), size("ann", "1"))).wants(t, c.want)
			})
		})
	}
}
