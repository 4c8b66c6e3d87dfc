package cluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// crawling is a site that promises large pictures and sends a byte a second. bodies counts the bodies
// under way.
func crawling(t *testing.T) (site *url.URL, bodies *atomic.Int64) {
	t.Helper()
	bodies = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"v1"`)
		w.Header().Set("Content-Length", "1000000")
		if r.Method == http.MethodHead {
			return
		}
		bodies.Add(1)
		defer bodies.Add(-1)
		periodic.Do(r.Context(), time.Second, func(context.Context) {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
		})
	}))
	t.Cleanup(server.Close)
	site, _ = url.Parse(server.URL)
	return site, bodies
}

func readsFrom(site *url.URL, more func(*settings.Settings)) func(*settings.Settings) {
	return func(s *settings.Settings) {
		s.Store.Loaders = []storeconfig.Loader{{For: "http://", Bucket: storeconfig.Bucket{Kind: "http", Hosts: []string{site.Host}, Allow: []string{"127.0.0.1"}}}}
		more(s)
	}
}

// Twelve requests to a host that sends a byte a second take no place of anybody else: local originals
// are rendered while all of them are still pending.
func TestASlowOriginHoldsItsOwnRequests(t *testing.T) {
	t.Parallel()
	site, bodies := crawling(t)
	c := Start(t, Options{Settings: readsFrom(site, func(s *settings.Settings) {
		s.Renderer.Slots, s.Renderer.Ahead, s.Renderer.MinRate = 2, 1, 0
	})})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var slow []<-chan Answer
	for i := range 12 {
		path := fmt.Sprintf("/unsafe/60x/%s/%d.jpg", site, i)
		slow = append(slow, c.Go(ctx, c.Edges[0], path, fmt.Sprintf("203.0.113.%d", i/4)))
	}
	downloads := int64(c.Settings.Renderer.Downloads)
	Eventually(t, "the host has all that it may have, and nothing of the lane", func() bool {
		return bodies.Load() == downloads && c.Held(throttle.Lane) == 0 && c.Held(throttle.PerIP) == 12
	})
	for i := range 10 {
		landscape(c, fmt.Sprintf("%d.jpg", i))
		c.Get(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/60x/%d.jpg", i), bob).Wants(t, 200)
	}
	for i, answer := range slow {
		if len(answer) > 0 {
			t.Errorf("slow request %d was answered before local ones: %+v", i, <-answer)
		}
	}
}

// A host below the least rate is given up, with a sentence that says so, and then gets no requests.
func TestASlowOriginIsGivenUp(t *testing.T) {
	t.Parallel()
	site, bodies := crawling(t)
	c := Start(t, Options{Settings: readsFrom(site, func(s *settings.Settings) { s.Renderer.Downloads = 4 })})
	var slow []<-chan Answer
	for i := range 3 {
		slow = append(slow, c.Go(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/60x/%s/%d.jpg", site, i), alice))
	}
	for _, answer := range slow {
		if a := <-answer; a.Status < 500 || !strings.Contains(string(a.Body), "too slowly") {
			t.Errorf("%d %q %v", a.Status, a.Body, a.Err)
		}
	}
	Eventually(t, "the host is left alone", func() bool { return bodies.Load() == 0 })
	a := c.Get(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/60x/%s/4.jpg", site), alice)
	if a.Status < 500 || !strings.Contains(string(a.Body), "too slowly") || bodies.Load() != 0 {
		t.Errorf("a host that is left alone: %d %q", a.Status, a.Body)
	}
}
