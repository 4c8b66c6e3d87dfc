package cluster

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// The renderer that has an original on its disk draws its next sizes. If that renderer is gone, the
// other renderers draw them without a wait.
func TestSizesOfAnOriginalMeetTheRendererThatHasIt(t *testing.T) {
	t.Parallel()
	const originals, sizes = 6, 5
	c := Start(t, Options{Renderers: 3, Settings: func(s *settings.Settings) { s.Renderer.Slots = 2 }})
	for i := range originals {
		landscape(c, fmt.Sprintf("%d.jpg", i))
	}
	reused := func() (sum float64) {
		for _, r := range c.renderers {
			sum += metric(t, r, "thumbmill_fetch_reused_total")
		}
		return sum
	}
	ask := func(width int) {
		for i := range originals {
			c.Get(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/%dx/%d.jpg", width, i), alice).Wants(t, http.StatusOK)
			Eventually(t, "the thumbnail is stored", func() bool { return c.Edges[0].OpenJobs() == 0 })
		}
	}
	for size := range sizes {
		ask(20 + size)
	}
	t.Logf("%v of %d later sizes met their original; without handing jobs over, 20 did", reused(), originals*(sizes-1))
	if least := float64(originals*(sizes-1) - 1); reused() < least { // one answer may be lost
		t.Errorf("%v of %d later sizes met their original, want %v", reused(), originals*(sizes-1), least)
	}
	c.must(c.Renderers[0].Stop(t.Context()))
	ask(50)
	if lost := metric(t, c.Edges[0].Registry, "thumbmill_edge_requests_total", "outcome", "unavailable"); lost > 0 {
		t.Errorf("%v requests failed once a renderer was gone", lost)
	}
}
