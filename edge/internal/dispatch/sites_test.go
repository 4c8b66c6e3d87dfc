package dispatch

import (
	"slices"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// world is the sites and renderers that an edge knows. It is for one goroutine, except while nothing changes it.
type world struct {
	chosen string   // "" = the edge's own site
	living []string // sites

	mu        sync.Mutex
	renderers []string // all have a free slot
	offered   []string // the renderers that would take a job at once
}

func (w *world) Choose(renderjob.Lane) string { return w.chosen }
func (w *world) Lives(site string) bool       { return slices.Contains(w.living, site) }
func (w *world) Has(renderer string) bool     { return slices.Contains(w.Free(99), renderer) }

func (w *world) Free(most int) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.renderers[:min(most, len(w.renderers))])
}

func (w *world) Offer(string) (renderer string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.offered) == 0 {
		return "", false
	}
	renderer, w.offered = w.offered[0], w.offered[1:]
	return renderer, true
}

func (*world) Told(string, int) {}

// offer sets the renderers that would take a job at once, one each.
func (w *world) offer(renderers ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offered = renderers
}

// set changes the living renderers of the edge's own site.
func (w *world) set(renderers ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.renderers = renderers
}

// A job moves when its site has no renderers: from the edge's own site to another, and back. Renderers at a site that the
// job left do not begin it. A job at a living site stays there.
func TestAJobMovesBetweenSites(t *testing.T) {
	w := &world{living: []string{"a", "b"}}
	d, conn := startWith(t, settings.NATS{Replicas: 1, Site: "a", Overflow: []string{"b"}}, w)
	ctx := within(t)
	there, err := d.js.CreateStream(ctx, jetstream.StreamConfig{Name: "B", Subjects: []string{renderjob.Lane("*").SiteSubject("b")}, AllowMsgTTL: true})
	if err != nil {
		t.Fatal(err)
	}
	here, err := d.js.Stream(ctx, queue.Stream)
	if err != nil {
		t.Fatal(err)
	}
	h, err := d.Publish(ctx, job())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, c := range []struct {
		name, chosen string
		living       []string
		looks        bool // the flight is told to look again
		here, there  uint64
		at           string
	}{
		{"both live", "b", []string{"a", "b"}, false, 1, 0, "a"},
		{"no other site lives", "", nil, false, 1, 0, "a"},
		{"the other site takes no job", "", []string{"b"}, true, 1, 0, "a"},
		{"its renderers are gone", "b", []string{"b"}, true, 0, 1, "b"},
		{"its renderers are back", "", []string{"a", "b"}, false, 0, 1, "b"},
		{"the other site is lost", "", []string{"a"}, true, 1, 1, "a"},
	} {
		w.chosen, w.living = c.chosen, c.living
		d.Tend(ctx)
		looks := len(h.Reconnected()) > 0
		if looks {
			<-h.Reconnected()
		}
		if err := h.Restore(ctx); err != nil {
			t.Fatal(err)
		}
		if looks != c.looks || count(t, here) != c.here || count(t, there) != c.there {
			t.Errorf("%s: looks again %v, %d jobs here, %d there; want %v, %d, %d", c.name, looks, count(t, here), count(t, there), c.looks, c.here, c.there)
		}
		for _, site := range []string{"a", "b"} {
			want := renderjob.Gone
			if site == c.at {
				want = renderjob.Proceed
			}
			if got := beginAt(t, d, conn, h.job.ID, site); got != want {
				t.Errorf("%s: the edge tells a renderer of site %s %q, want %q", c.name, site, got, want)
			}
		}
	}
}

func count(t *testing.T, s jetstream.Stream) uint64 {
	t.Helper()
	info, err := s.Info(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

// Work that no client waits for stays at its site.
func TestABulkJobStays(t *testing.T) {
	w := &world{}
	d, _ := startWith(t, settings.NATS{Replicas: 1, Site: "a", Overflow: []string{"b"}}, w)
	bulk := job()
	bulk.Lane = renderjob.LaneBulk
	h, err := d.Publish(within(t), bulk)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	w.chosen, w.living = "b", []string{"b"}
	d.Tend(within(t))
	if len(h.Reconnected()) > 0 {
		t.Error("the flight is told to look again")
	}
}
