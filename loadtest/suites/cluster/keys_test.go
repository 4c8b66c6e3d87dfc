package cluster

import (
	"fmt"
	"sync"
	"testing"

	"github.com/thumbmill/thumbmill/edge/thumborurl"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// site is a load balancer before the edges, and the program that signs its pages.
type site struct {
	mu     sync.RWMutex
	edge   *Edge
	signer thumborurl.Signer
}

// change waits for the requests under way, as a balancer that drains an edge does.
func (s *site) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// request asks for a new or a stored thumbnail. The lock is held until the answer is there.
func (s *site) request(t *testing.T, c *Cluster, n int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c.Get(t.Context(), s.edge, s.signer.Sign(fmt.Sprintf("%dx/cat.jpg", 10+n%20)), alice).Wants(t, 200)
}

// The key of a site is replaced under load, by another algorithm: first edges learn the new key, then pages are signed
// with it, and when the metric says that the old key signs nothing any more, edges forget it. No request fails.
func TestAKeyIsReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Settings: func(s *settings.Settings) { s.Edge.SecurityKey, s.Edge.AllowUnsafe = "old", false }})
	landscape(c, "cat.jpg")
	old, next := thumborurl.Signer{Key: "old"}, thumborurl.Signer{Key: "new", Algorithm: "sha256", Truncate: 40}
	s := &site{edge: c.Edges[0], signer: old}
	stop := make(chan struct{})
	var group sync.WaitGroup
	for client := range 4 {
		group.Go(func() {
			for n := client; ; n++ {
				select {
				case <-stop:
					return
				default:
					s.request(t, c, n)
				}
			}
		})
	}
	counted := func(key string) float64 {
		return c.Edges[1].Metric(t, "thumbmill_edge_signed_requests_total", "key", key)
	}
	c.Settings.Edge.SecurityKeys = []settings.SecurityKey{{Name: "2026-11", Key: "new", Algorithm: "sha256", Truncate: 40}}
	both := c.AddEdge(nil)
	s.change(func() { s.edge = both })
	Eventually(t, "the edge with both keys serves the old one", func() bool { return counted("security_key") > 10 })
	s.change(func() { s.signer = next })
	last := counted("security_key")
	Eventually(t, "pages are signed with the new key", func() bool { return counted("2026-11") > 10 })
	if n := counted("security_key"); n != last {
		t.Errorf("the old key signed %v requests after its replacement", n-last)
	}
	c.Settings.Edge.SecurityKey = ""
	alone := c.AddEdge(nil)
	s.change(func() { s.edge = alone })
	Eventually(t, "the edge with the new key serves", func() bool {
		return alone.Metric(t, "thumbmill_edge_signed_requests_total", "key", "2026-11") > 10
	})
	close(stop)
	group.Wait()
	c.Get(t.Context(), alone, old.Sign("10x/cat.jpg"), alice).Wants(t, 403)
}
