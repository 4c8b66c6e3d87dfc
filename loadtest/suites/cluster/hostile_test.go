package cluster

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/hostile"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// envSoak names a variable that makes the tests of this file larger.
const envSoak = "THUMBMILL_SOAK"

// slow is the time above which an answer to a good request counts as late while hostile requests
// run. Late answers are only counted and logged; no test fails by time.
const slow = time.Second

// goodClient requests new thumbnails until its end.
type goodClient struct {
	asked, failed, late atomic.Int64
	group               sync.WaitGroup
	stop                context.CancelFunc
}

func startGoodClient(c *Cluster, name string) *goodClient {
	ctx, stop := context.WithCancel(c.t.Context())
	g, width := &goodClient{stop: stop}, 40
	g.group.Go(func() {
		periodic.Do(ctx, asksEvery, func(context.Context) {
			began := time.Now()
			a := c.Get(c.t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/%dx/%s", width, name), "203.0.113.9")
			width++
			g.asked.Add(1)
			if a.Status != 200 {
				g.failed.Add(1)
				c.t.Errorf("a good request: %d %q", a.Status, a.Body)
			}
			if time.Since(began) > slow {
				g.late.Add(1)
			}
		})
	})
	return g
}

// asksEvery is the pause between a good client's requests, unless answers take longer.
const asksEvery = 20 * time.Millisecond

// end stops the client, and returns its counts of requests, failures and late answers.
func (g *goodClient) end() string {
	g.stop()
	g.group.Wait()
	return fmt.Sprintf("%d good requests, %d failed, %d over a second", g.asked.Load(), g.failed.Load(), g.late.Load())
}

// patient changes settings so that waiting requests are not refused. Each file's own result then
// shows.
func patient(s *settings.Settings) {
	s.Renderer.Slots, s.Renderer.Ahead = 4, 1
	s.Renderer.TimeLimit, s.Renderer.TimeLimitExpensive = 2*time.Second, 2*time.Second
	s.Throttle.QueueWait = 40 * time.Second
	s.Throttle.Failure.Max = 1000
	s.Throttle.Expensive.Timeout, s.Throttle.PerIP.Timeout, s.Throttle.PerOriginal.Timeout = 40*time.Second, 40*time.Second, 40*time.Second
	s.Edge.Deadline = 68 * time.Second
}

// Every hostile original ends with a clear fault or a picture within the time limit. Meanwhile good
// requests are served, and no file or worker is lost.
func TestHostileOriginals(t *testing.T) {
	step := 4096
	if os.Getenv(envSoak) != "" {
		step = 1024
	}
	files, err := hostile.Corpus(step)
	if err != nil {
		t.Fatal(err)
	}
	c := Start(t, Options{Workers: true, Settings: patient})
	landscape(c, "good.jpg")
	workers := len(c.Renderers[0].WorkerPIDs())
	g := startGoodClient(c, "good.jpg")
	statuses := map[int]int{}
	var mu sync.Mutex
	queue := make(chan hostile.File)
	var group sync.WaitGroup
	for sender := range 8 {
		group.Go(func() {
			for f := range queue {
				c.Original("hostile/"+f.Name, f.Body, nil)
				a := c.Get(t.Context(), c.Edges[0], "/unsafe/100x/hostile/"+url.PathEscape(f.Name), fmt.Sprintf("198.51.100.%d", sender))
				if !clear(a) {
					t.Errorf("%s: %d %q", f.Name, a.Status, a.Body[:min(len(a.Body), 200)])
				}
				mu.Lock()
				statuses[a.Status]++
				mu.Unlock()
			}
		})
	}
	for _, f := range files {
		queue <- f
	}
	close(queue)
	group.Wait()
	t.Logf("%d hostile originals: %v; meanwhile %s", len(files), statuses, g.end())
	Eventually(t, "all workers are back, and no more than a renderer may have", func() bool {
		now := len(c.Renderers[0].WorkerPIDs())
		return now >= workers && now <= 2*(c.Settings.Renderer.Slots+1) // of each kind, and one that starts
	})
}

// clear reports whether an answer is a picture, or a fault with an explanation.
func clear(a Answer) bool {
	switch a.Status {
	case 200:
		return strings.HasPrefix(a.Header.Get("Content-Type"), "image/")
	case 400, 422, 500:
		return len(a.Body) > 10 && !strings.Contains(string(a.Body), "thumbmill failed")
	}
	return false
}

// Eight requests for the same bad original leave room for good originals.
func TestBadOriginalsStarveNobody(t *testing.T) {
	files, err := hostile.Corpus(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"turbulence.svg", "endless.gif", "bomb-real.png"} {
		t.Run(bad, func(t *testing.T) {
			c := Start(t, Options{Workers: true, Settings: func(s *settings.Settings) {
				patient(s)
				s.Renderer.Slots = 2
				s.Renderer.TimeLimit, s.Renderer.TimeLimitExpensive = 4*time.Second, 4*time.Second
			}})
			landscape(c, "good.jpg")
			if !slices.ContainsFunc(files, func(f hostile.File) bool { return f.Name == bad }) {
				t.Fatal("there is no such file")
			}
			var copies []<-chan Answer
			for _, f := range files {
				if f.Name != bad {
					continue
				}
				for i := range 8 {
					name := fmt.Sprintf("%d-%s", i, bad)
					c.Original(name, f.Body, nil)
					copies = append(copies, c.Go(t.Context(), c.Edges[0], "/unsafe/300x/"+name, fmt.Sprintf("198.51.100.%d", i)))
				}
			}
			Eventually(t, "all eight are in progress, or answered", func() bool {
				n := int(c.Edges[0].Metric(t, "thumbmill_flights"))
				for _, answer := range copies {
					n += len(answer)
				}
				return n >= len(copies)
			})
			g := startGoodClient(c, "good.jpg")
			Eventually(t, "fifty good requests are served", func() bool { return g.asked.Load() >= 50 })
			t.Log(g.end())
		})
	}
}

// An original passes through the renderer on its disk: the memory of the process does not grow with
// it.
func TestALargeOriginalPassesThrough(t *testing.T) {
	size := int64(256 << 20)
	if os.Getenv(envSoak) != "" {
		size = 4<<30 - 1
	}
	c := Start(t, Options{Workers: true, Settings: func(s *settings.Settings) { s.Throttle.QueueWait = 60 * time.Second }})
	landscape(c, "small.jpg")
	landscape(c, "large.jpg")
	// The bytes after the picture do not belong to it, and the hole uses no disk.
	if err := os.Truncate(filepath.Join(c.Settings.Store.Originals.Path, "large.jpg"), size); err != nil {
		t.Fatal(err)
	}
	c.Get(t.Context(), c.Edges[0], "/unsafe/100x/small.jpg", alice).Wants(t, 200)
	before := memory(t)
	c.Get(t.Context(), c.Edges[0], "/unsafe/100x/large.jpg", alice).Wants(t, 200)
	grown := memory(t) - before
	t.Logf("an original of %d MB: %d MB more memory", size>>20, grown>>20)
	if grown > 64<<20 {
		t.Errorf("%d MB more", grown>>20)
	}
}

// memory returns the peak memory of this process in bytes.
func memory(t *testing.T) (bytes int64) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &bytes); err == nil {
			return bytes << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
