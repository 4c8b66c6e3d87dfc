package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// sizes returns the sizes that a page and its upload request.
func sizes() []int { return []int{120, 250, 330, 500, 960, 1280} }

// siblings returns the number of jobs that were rendered with another job, by outcome.
func (c *Cluster) siblings(outcome string) (sum int) {
	for _, r := range c.renderers {
		sum += int(metric(c.t, r, "thumbmill_siblings_total", "outcome", outcome))
	}
	return sum
}

// manyAtOnce allows a client any number of requests at once.
func manyAtOnce(s *settings.Settings) {
	waitLong(s)
	s.Throttle.PerIP.Workers, s.Throttle.PerIP.MaxQueue = 1000, 1000
}

// askSizes requests all sizes of the given number of originals.
func (c *Cluster) askSizes(originals int) (answers []<-chan Answer) {
	for n := range originals {
		for _, width := range sizes() {
			answers = append(answers, c.Go(c.t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/%dx/%d.jpg", width, n), alice))
		}
	}
	return answers
}

// Sizes of an original that wait together are rendered together. Each is stored once, and only the
// first of a batch fetches the original.
func TestSizesThatWaitTogetherAreDoneTogether(t *testing.T) {
	t.Parallel()
	const originals = 4
	c := Start(t, Options{Renderers: 2, Settings: manyAtOnce})
	for n := range originals {
		landscape(c, fmt.Sprintf("%d.jpg", n))
	}
	release := c.Hooks.Hold()
	var first []<-chan Answer
	for n := range 3 { // take all places of the lane
		landscape(c, fmt.Sprintf("first%d.jpg", n))
		first = append(first, c.Go(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/100x/first%d.jpg", n), alice))
	}
	Eventually(t, "the renderers are busy", func() bool { return c.Hooks.Held() == 2 && c.Edges[0].OpenJobs() == 3 })
	answers := c.askSizes(originals)
	all := originals * len(sizes())
	Eventually(t, "all wait", func() bool { return int(c.Edges[0].Metric(t, "thumbmill_flights")) == all+3 })
	time.Sleep(100 * time.Millisecond) // until the coordinator has them in line
	release()
	for _, a := range slices.Concat(first, answers) {
		(<-a).Wants(t, 200)
	}
	stored, together := c.Renders(), c.siblings("ok")
	if stored != all+3 || together < all/2 || c.Hooks.Read() > stored-together {
		t.Errorf("%d stored, %d of them with another, %d fetches", stored, together, c.Hooks.Read())
	}
}

// A renderer that ends during a batch loses no size: finished thumbnails stay, another renderer
// draws the others.
func TestARendererThatEndsUnderSeveralLosesNone(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	drawn, stuck := map[int]int{}, make(chan struct{})
	reached := sync.OnceFunc(func() { close(stuck) })
	c := Start(t, Options{Settings: manyAtOnce, Render: func(ctx context.Context, s thumbnail.Spec) ([]byte, error) {
		mu.Lock()
		total := 0
		for _, n := range drawn {
			total += n
		}
		sticks := total == 3 && s.Width != 100
		if sticks {
			drawn[0]++ // once
		} else {
			drawn[s.Width]++
		}
		mu.Unlock()
		if sticks {
			reached()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return sample(ctx, s)
	}})
	landscape(c, "0.jpg")
	landscape(c, "first.jpg")
	landscape(c, "second.jpg")
	release := c.Hooks.Hold()
	first := []<-chan Answer{c.Go(t.Context(), c.Edges[0], "/unsafe/100x/first.jpg", alice), c.Go(t.Context(), c.Edges[0], "/unsafe/100x/second.jpg", alice)}
	Eventually(t, "both places of the lane are taken", func() bool { return c.Edges[0].OpenJobs() == 2 && c.Hooks.Held() == 1 })
	answers := c.askSizes(1)
	Eventually(t, "all wait", func() bool { return int(c.Edges[0].Metric(t, "thumbmill_flights")) == 8 })
	time.Sleep(100 * time.Millisecond) // until the coordinator has them in line
	release()
	<-stuck
	c.AddRenderer()
	killed, cancel := context.WithCancel(t.Context())
	cancel()
	_ = c.Renderers[0].Stop(killed)
	for _, a := range slices.Concat(first, answers) {
		(<-a).Wants(t, 200)
	}
	if stored := c.Renders(); stored != 8 {
		t.Errorf("%d thumbnails were stored, want 8", stored)
	}
	Eventually(t, "the other renderer gets the lost job and finishes it", func() bool { return c.Jobs() == 0 })
	mu.Lock()
	defer mu.Unlock()
	for _, width := range sizes() {
		if drawn[width] != 1 {
			t.Errorf("the thumbnail of %d px was drawn completely %d times", width, drawn[width])
		}
	}
}
