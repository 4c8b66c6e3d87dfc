package cluster

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/nats-io/nuid"

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

// askSizes requests all sizes of an original.
func (c *Cluster) askSizes(name string) (answers []<-chan Answer) {
	for _, width := range sizes() {
		answers = append(answers, c.Go(c.t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/%dx/%s", width, name), alice))
	}
	return answers
}

// occupy requests thumbnails of as many originals as a lane has places, and waits until each renderer is
// in a render. The caller holds renders.
func (c *Cluster) occupy(places int) (answers []<-chan Answer) {
	open := c.Edges[0].OpenJobs()
	for range places {
		name := nuid.Next() + ".jpg"
		landscape(c, name)
		answers = append(answers, c.Go(c.t.Context(), c.Edges[0], "/unsafe/100x/"+name, alice))
	}
	Eventually(c.t, "the renderers are busy", func() bool {
		return c.Hooks.Held() == len(c.Renderers) && c.Edges[0].OpenJobs() == open+places
	})
	return answers
}

// Sizes of an original that wait together are rendered together. Each is stored once, and only the
// first of a batch fetches the original. The sizes have 50 ms to join a batch (places.departAfter), so
// rounds of other originals follow until a busy machine meets that.
func TestSizesThatWaitTogetherAreDoneTogether(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Renderers: 2, Settings: manyAtOnce})
	lengthenLane(t, c)
	wanted := 4 * len(sizes()) / 2
	for round := range 10 {
		before := c.siblings("ok")
		c.sizesThatWait(round)
		if c.siblings("ok")-before >= wanted {
			return
		}
	}
	t.Errorf("%d of %d sizes were rendered with another", c.siblings("ok"), 10*2*wanted)
}

// sizesThatWait requests all sizes of four originals while the renderers are busy, and then lets them
// render. It returns when each is stored once.
func (c *Cluster) sizesThatWait(round int) {
	c.t.Helper()
	puts := c.Hooks.Puts()
	release := c.Hooks.Hold()
	answers := c.occupy(3)
	for n := range 4 {
		name := fmt.Sprintf("%d-%d.jpg", round, n)
		landscape(c, name)
		answers = append(answers, c.askSizes(name)...)
	}
	Eventually(c.t, "all wait", func() bool { return int(c.Edges[0].Metric(c.t, "thumbmill_flights")) == len(answers) })
	release()
	for _, a := range answers {
		(<-a).Wants(c.t, 200)
	}
	if stored := c.Renders() - puts; stored != len(answers) {
		c.t.Fatalf("%d thumbnails were stored, want %d", stored, len(answers))
	}
	if read, alone := c.Hooks.Read(), c.Hooks.Puts()-c.siblings("ok"); read > alone {
		c.t.Errorf("%d fetches for %d batches", read, alone)
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
	lengthenLane(t, c)
	release := c.Hooks.Hold()
	answers := c.occupy(2)
	landscape(c, "0.jpg")
	answers = append(answers, c.askSizes("0.jpg")...)
	Eventually(t, "all wait", func() bool { return int(c.Edges[0].Metric(t, "thumbmill_flights")) == 8 })
	release()
	<-stuck
	c.AddRenderer()
	killed, cancel := context.WithCancel(t.Context())
	cancel()
	_ = c.Renderers[0].Stop(killed)
	for _, a := range answers {
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
