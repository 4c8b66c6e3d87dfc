package front

import (
	"maps"
	"net/http"
	"sync"
	"time"
)

// patience is how many HTTP/2 requests one client may take back within a window before
// they were answered. A browser whose user scrolls takes back dozens, and many may share
// an address; an attacker, who pays nothing for it while each costs the server something
// ("rapid reset"), takes back thousands a second. For as long again the client's
// connections are closed, which costs next to nothing. To count by connection would be no
// use: an attacker has a new one at any time.
const (
	patience       = 2000
	window         = 10 * time.Second
	countedClients = 20_000 // in one window; the others are not
)

// resets counts them by client, anew in each window.
type resets struct {
	mu     sync.Mutex
	ends   time.Time // of the window
	counts map[string]int
	barred map[string]time.Time // who took back too many, until when
}

func newResets() *resets { return &resets{barred: map[string]time.Time{}} }

// tooMany reports whether a client took back too many of late.
func (s *resets) tooMany(client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.barred[client])
}

// countOne counts one, and reports whether it is the one too many.
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

// patient counts what is taken back, and closes the connections of those who take back
// too much.
func (c *connections) patient(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		if r.ProtoMajor != 2 || r.Context().Err() == nil {
			return
		}
		g, ok := r.Context().Value(connKey{}).(*gathering)
		if ok && g.client != "" && c.resets.countOne(g.client) {
			c.log.Warn("a client takes back its requests as fast as it sends them: its connections are closed", "client", g.client, "within", window, "requests", patience)
			c.closeAll(g.client)
		}
	})
}

func (c *connections) closeAll(client string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; e = e.Next() {
		if conn := e.Value.(*gathering); conn.client == client {
			_ = conn.Close() // what serves it forgets it
			c.closed.WithLabelValues("impatient").Inc()
		}
	}
}
