package front

import (
	"maps"
	"net/http"
	"sync"
	"time"
)

// patience is the number of unanswered HTTP/2 requests that one client may take back within a
// window. A browser whose user scrolls takes back dozens, and many browsers may share an address.
// An attacker takes back thousands a second, because each request costs the server something and
// the attacker nothing ("rapid reset"). A client that reaches the number loses its connections, and
// gets no new ones for one more window; that costs the edge almost nothing. The edge counts by
// client, since an attacker can open a new connection at any time.
const (
	patience       = 2000
	window         = 10 * time.Second
	countedClients = 20_000 // in one window; further clients are not counted
)

// resets counts the requests that each client took back in the current window.
type resets struct {
	mu     sync.Mutex
	ends   time.Time // of the window
	counts map[string]int
	barred map[string]time.Time // until when a client that took back too many gets no connection
}

func newResets() *resets { return &resets{barred: map[string]time.Time{}} }

// tooMany reports whether a client gets no connection because it took back too many requests.
func (s *resets) tooMany(client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.barred[client])
}

// countOne counts one request that a client took back. It returns true once in a window: when the
// client reaches patience.
func (s *resets) countOne(client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.After(s.ends) {
		s.ends, s.counts = now.Add(window), map[string]int{}
		maps.DeleteFunc(s.barred, func(_ string, until time.Time) bool { return now.After(until) })
	}
	if s.counts[client] > 0 || len(s.counts) < countedClients {
		s.counts[client]++
	}
	if s.counts[client] != patience {
		return false
	}
	s.barred[client] = now.Add(window)
	return true
}

// patient counts the HTTP/2 requests that clients take back, and closes all connections of a client
// that takes back too many.
func (c *connections) patient(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		if r.ProtoMajor != 2 || r.Context().Err() == nil {
			return
		}
		g, ok := r.Context().Value(connKey{}).(*gathering)
		if ok && g.client != "" && c.resets.countOne(g.client) {
			c.log.Warn("close all connections of a client that takes back its requests unanswered", "client", g.client, "within", window, "requests", patience)
			c.closeAll(g.client)
		}
	})
}

func (c *connections) closeAll(client string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; e = e.Next() {
		if conn := e.Value.(*gathering); conn.client == client {
			_ = conn.Close() // then http.Server calls stateChanged, which removes it from order
			c.closed.WithLabelValues("impatient").Inc()
		}
	}
}
