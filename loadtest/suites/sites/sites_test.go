package sites

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const patience = 30 * time.Second

// place is the renderer of one site. Its renders last until release.
type place struct {
	servers  servers.Site
	renderer *renderer.Renderer
	renders  atomic.Int64 // begun so far
	held     atomic.Int64 // under way
	released chan struct{}
}

func (p *place) release() { close(p.released) }

func (p *place) render(ctx context.Context, _ thumbnail.Spec) ([]byte, error) {
	p.renders.Add(1)
	p.held.Add(1)
	defer p.held.Add(-1)
	select {
	case <-p.released:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return samples.JPEG(samples.Landscape(16, 10))
}

// world is site a with an edge and a coordinator, and the renderers of the sites a, b and c, with a slot each.
type world struct {
	t    *testing.T
	site *cluster.Cluster
	at   map[string]*place
	next int
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, at: map[string]*place{}}
	for name, s := range servers.StartSites(t, "a", "b", "c") {
		w.at[name] = &place{servers: s, released: make(chan struct{})}
	}
	w.site = cluster.Start(t, cluster.Options{
		Queue: w.at["a"].servers.Queue, Render: w.at["a"].render,
		Settings: func(s *settings.Settings) { s.NATS.Site, s.NATS.Overflow = "a", []string{"b", "c"} },
	})
	for _, name := range []string{"b", "c"} {
		w.startRenderer(name)
	}
	return w
}

// startRenderer starts the renderer of another site, whose queue an edge of that site would make.
func (w *world) startRenderer(name string) {
	w.t.Helper()
	p, s := w.at[name], w.site.Settings
	s.NATS.URL, s.NATS.Site, s.NATS.Overflow = p.servers.Queue.Settings().URL, name, nil
	s.Renderer.TempDir = filepath.Join(w.site.Dir, "temp-"+name)
	r, err := renderer.New(renderer.Config{Settings: s, Stores: w.site.Stores, Log: w.site.Log, Metrics: prometheus.NewRegistry(), Render: p.render})
	if err == nil {
		err = r.Start(w.t.Context())
	}
	if err != nil {
		w.t.Fatal(err)
	}
	p.renderer = r
	w.t.Cleanup(w.stop(name))
}

// stop returns a function that ends a site's renderer at once.
func (w *world) stop(name string) func() {
	return func() { _ = w.at[name].renderer.Stop(ended()) } // it has a job in hand
}

// ask requests a new thumbnail from site a's edge.
func (w *world) ask() <-chan cluster.Answer {
	w.t.Helper()
	w.next++
	name := fmt.Sprint(w.next, ".jpg")
	body, err := samples.JPEG(samples.Landscape(32, 20))
	w.site.Original(name, body, err)
	return w.site.Go(w.t.Context(), w.site.Edges[0], "/unsafe/16x/"+name, fmt.Sprint("198.51.100.", w.next))
}

func (w *world) renders(name string, n int64) {
	w.t.Helper()
	cluster.Eventually(w.t, fmt.Sprintf("site %s renders", name), func() bool { return w.at[name].held.Load() == n })
}

// knows waits until the edge gives the standard lane the places of a number of free slots abroad.
func (w *world) knows(places int) {
	w.t.Helper()
	cluster.Eventually(w.t, fmt.Sprintf("the lane has %d places", places), func() bool { return w.site.LaneWorkers(renderjob.LaneStandard) == places })
}

// hears waits until site a has heard two heartbeats of a site's renderer with a number of busy slots: the edge knows of
// the first by the time of the second.
func (w *world) hears(name string, busy int) {
	w.t.Helper()
	conn, err := nats.Connect(w.at["a"].servers.Queue.URL())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	beats, err := conn.SubscribeSync(renderjob.AllHeartbeats)
	if err != nil {
		w.t.Fatal(err)
	}
	for heard := 0; heard < 2; {
		m, err := beats.NextMsg(patience)
		var h renderjob.Heartbeat
		if err == nil {
			err = json.Unmarshal(m.Data, &h)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if h.Site == name && h.Busy == busy {
			heard++
		}
	}
}

// A job goes to the next site while the own one has no free slot, and stays at home otherwise.
func TestJobsOverflowToTheNextSite(t *testing.T) {
	w := newWorld(t)
	const own = 2 // the places of one slot
	w.knows(own + 2)
	var answers []<-chan cluster.Answer
	for _, name := range []string{"a", "b", "c"} {
		answers = append(answers, w.ask())
		w.renders(name, 1)
		w.hears(name, 1)
	}
	w.knows(own + 2) // the jobs of a at b and c have places of their own
	for _, p := range w.at {
		p.release()
	}
	for _, a := range answers {
		(<-a).Wants(t, 200)
	}
	w.hears("a", 0)
	before := w.at["a"].renders.Load()
	(<-w.ask()).Wants(t, 200)
	if w.at["a"].renders.Load() != before+1 {
		t.Error("a job of an idle site leaves it")
	}
}

// The loss of a site, with its queue and its renderer, costs no request: its jobs are rendered elsewhere.
func TestASiteIsLost(t *testing.T) {
	w := newWorld(t)
	w.knows(4)
	first := w.ask()
	w.renders("a", 1)
	w.hears("a", 1)
	second := w.ask()
	w.renders("b", 1)
	w.at["b"].servers.Kill()
	w.stop("b")()
	w.at["c"].release()
	(<-second).Wants(t, 200)
	if w.at["c"].renders.Load() != 1 {
		t.Errorf("site c renders %d times", w.at["c"].renders.Load())
	}
	w.at["a"].release()
	(<-first).Wants(t, 200)
}

// Jobs that wait move too: from a site whose renderer is gone to the next one, and on when that site is lost with its queue.
// Each is rendered once, also after the first site's renderer is back.
func TestWaitingJobsMove(t *testing.T) {
	w := newWorld(t)
	w.knows(4)
	var answers []<-chan cluster.Answer
	for _, name := range []string{"a", "b", "c"} {
		answers = append(answers, w.ask())
		w.renders(name, 1)
		w.hears(name, 1)
	}
	answers = append(answers, w.ask()) // no site has a free slot
	w.waits("a", 2)
	_ = w.site.Renderers[0].Stop(ended())
	w.waits("b", 3)
	w.at["b"].servers.Kill()
	w.stop("b")()
	w.waits("c", 4)
	w.startRenderer("a")
	w.at["c"].release()
	for _, a := range answers {
		(<-a).Wants(t, 200)
	}
	w.waits("a", 0) // the renderer there had handed a job back
	w.waits("c", 0)
	if a, b, c := w.at["a"].renders.Load(), w.at["b"].renders.Load(), w.at["c"].renders.Load(); a != 1 || b != 1 || c != 4 {
		t.Errorf("the sites begin %d, %d and %d renders, want 1, 1 and 4", a, b, c)
	}
}

// waits waits until a site's queue has a number of jobs, with those that its renderer has begun.
func (w *world) waits(name string, want uint64) {
	w.t.Helper()
	conn, err := nats.Connect(w.at[name].servers.Queue.URL())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		w.t.Fatal(err)
	}
	cluster.Eventually(w.t, fmt.Sprintf("the queue of site %s has %d jobs", name, want), func() bool {
		stream, err := js.Stream(w.t.Context(), queue.Stream)
		return err == nil && stream.CachedInfo().State.Msgs == want
	})
}

// ended returns a context that is over: a renderer that stops with it leaves its jobs.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
