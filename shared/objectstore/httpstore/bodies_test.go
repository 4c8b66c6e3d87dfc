package httpstore

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
)

// After three slow bodies in a row a host gets no further requests; other hosts do.
func TestABreakerCountsSlowBodies(t *testing.T) {
	t.Parallel()
	gets := make(chan string, 100)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gets <- r.Method
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(slow.Close)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "picture") }))
	t.Cleanup(other.Close)
	hosts := []string{}
	for _, base := range []string{slow.URL, other.URL} {
		u, _ := url.Parse(base)
		hosts = append(hosts, u.Host)
	}
	s := newStore(t, storeconfig.Bucket{Hosts: hosts, Allow: []string{"127.0.0.0/8"}})
	s.minRate = 1 << 20
	var together sync.WaitGroup // each takes pace.Stall
	for range slowBodies {
		together.Go(func() {
			if _, _, err := read(t, s, slow.URL+"/a.jpg"); !errors.Is(err, objectstore.ErrSlow) {
				t.Errorf("a slow body: %v", err)
			}
		})
	}
	together.Wait()
	if _, _, err := s.Open(t.Context(), at(slow.URL+"/a.jpg")); !errors.Is(err, objectstore.ErrSlow) || len(gets) != slowBodies {
		t.Errorf("after %d slow bodies: %v; the host got %d requests", slowBodies, err, len(gets))
	}
	if body, _, err := read(t, s, other.URL+"/a.jpg"); body != "picture" || err != nil {
		t.Errorf("another host: %q, %v", body, err)
	}
}
