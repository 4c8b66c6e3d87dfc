package cluster

import (
	"context"
	"fmt"
	"testing"

	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Four requests at a time of one client for huge WebPs of a photograph, a new width each, on MediaWiki's
// path: their renders do not end, and others' thumbnails are rendered all the while.
func TestHugeThumbnailsStarveNobody(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	defer close(over)
	endless := func(ctx context.Context, s thumbnail.Spec) ([]byte, error) {
		if s.Width >= 6000 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-over:
			}
		}
		return sample(ctx, s)
	}
	c := Start(t, Options{Render: endless, Settings: func(s *settings.Settings) {
		s.Renderer.Slots, s.Renderer.Ahead = 2, 1
		waitLong(s)
	}})
	c.Original("wikipedia-commons-local-public/a/ab/Map.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`), nil)
	photo, others := "wikipedia-commons-local-public/a/ab/Photo.jpg", "wikipedia-commons-local-public/a/ab/Cat.jpg"
	body := picture(t, 300, 200)
	c.Original(photo, append(body, make([]byte, 10<<20)...), nil) // as large as 24 megapixels are
	c.Original(others, body, nil)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var huge []<-chan Answer
	for i := range 4 {
		path := fmt.Sprintf("/wikipedia/commons/thumb/a/ab/Photo.jpg/%dpx-Photo.jpg.webp", 6000+500*i)
		huge = append(huge, c.Go(ctx, c.Edges[0], path, alice))
	}
	Eventually(t, "the client has its share, and waits with the rest", func() bool {
		return c.Held(throttle.PerIP) == 4 && c.Waiting(throttle.PerIP) > 0 && c.Renderers[0].InHand() > 0
	})
	for i := range 30 { // also of the expensive lane, which has one slot
		c.Get(t.Context(), c.Edges[0], fmt.Sprintf("/wikipedia/commons/thumb/a/ab/Cat.jpg/%dpx-Cat.jpg", 40+i), bob).Wants(t, 200)
		c.Get(t.Context(), c.Edges[0], fmt.Sprintf("/wikipedia/commons/thumb/a/ab/Map.svg/%dpx-Map.svg.png", 40+i), bob).Wants(t, 200)
	}
	for i, answer := range huge {
		if len(answer) > 0 {
			t.Errorf("huge request %d was answered before others: %+v", i, <-answer)
		}
	}
}
