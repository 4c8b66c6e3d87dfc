package front

import (
	"container/list"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
)

// connections knows all of them, in the order in which they began to wait for a request.
type connections struct {
	max     int
	idle    time.Duration // that one may wait for its next request
	clients *clientaddr.Finder
	resets  *resets
	log     *slog.Logger

	mu    sync.Mutex
	order *list.List     // of *gathering; those that are served stand anywhere
	has   map[string]int // how many a client has
	none  time.Time      // until then there is none that waits
	told  time.Time      // when operators were told of a client that has its share

	closed *prometheus.CounterVec
	pool   sync.Pool
}

func newConnections(limit int, idle time.Duration, clients *clientaddr.Finder, log *slog.Logger, metrics prometheus.Registerer) *connections {
	c := &connections{
		max: limit, idle: idle, clients: clients, resets: newResets(), log: log,
		order: list.New(), has: map[string]int{}, pool: sync.Pool{New: func() any { return new([]byte) }},
	}
	c.closed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_edge_connections_closed_total",
		Help: "Connections closed: for others, as there were edge.max_connections (idle), new ones when none was idle (new), or as their client had its share (client) or took back its HTTP/2 requests (impatient).",
	}, []string{"which"})
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "thumbmill_edge_connections", Help: "Connections of clients."}, func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return float64(c.order.Len())
	})
	for _, which := range []string{"idle", "new", "client", "impatient"} {
		c.closed.WithLabelValues(which) // a rate sees only what has been zero
	}
	metrics.MustRegister(c.closed, open)
	return c
}

// plain is what a listener accepted.
func plain(conn net.Conn) *gathering {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	return conn.(*gathering)
}

// share is how many of all connections one client may have: one in ten, or a hundred, as
// many people can be behind one address, but not more than half, as nobody may keep all
// others out.
func (c *connections) share() int { return min(max(c.max/10, 100), c.max/2) }

// admit takes a new connection in, in place of an idle one if need be.
func (c *connections) admit(conn *gathering) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if why := c.refuse(conn.client); why != "" {
		c.closed.WithLabelValues(why).Inc()
		return false
	}
	conn.place = c.order.PushBack(conn)
	c.has[conn.client]++
	return true
}

// refuse tells why a client may have no further connection: "" if it may. Proxies and
// exempt clients, which are "", have no share.
func (c *connections) refuse(client string) string {
	switch {
	case client != "" && c.resets.tooMany(client):
		return "impatient"
	case client != "" && c.has[client] >= c.share():
		c.warnOfShare(client)
		return "client"
	case c.order.Len() >= c.max && !c.closeOne():
		return "new"
	}
	return ""
}

// warnOfShare tells operators of a client that has its share: one in a while, as it may try on.
func (c *connections) warnOfShare(client string) {
	if now := time.Now(); now.After(c.told.Add(window)) {
		c.told = now
		c.log.Warn("a client has its share of edge.max_connections, and gets no more: if it is a proxy, name it in edge.trusted_proxies", "client", client, "connections", c.share())
	}
}

// searchAgain after a search through all that found none: a flood of new connections must
// not cost one each.
const searchAgain = 50 * time.Millisecond

// closeOne closes the connection that has waited longest. Those that are served go to
// the end, so that the next search meets them last.
func (c *connections) closeOne() bool {
	if time.Now().Before(c.none) {
		return false
	}
	for range c.order.Len() {
		oldest := c.order.Front()
		conn := oldest.Value.(*gathering)
		if conn.served.Load() {
			c.order.MoveToBack(oldest)
			continue
		}
		c.forget(conn)
		_ = conn.Close()
		c.closed.WithLabelValues("idle").Inc()
		return true
	}
	c.none = time.Now().Add(searchAgain)
	return false
}

func (c *connections) forget(conn *gathering) {
	if conn.place == nil {
		return
	}
	c.order.Remove(conn.place)
	conn.place = nil
	if c.has[conn.client]--; c.has[conn.client] == 0 {
		delete(c.has, conn.client)
	}
}

// stateChanged is http.Server's ConnState, which it calls one at a time for each connection.
func (c *connections) stateChanged(accepted net.Conn, state http.ConnState) {
	conn := plain(accepted)
	c.expire(conn, state)
	if state == http.StateActive {
		conn.served.Store(true)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateIdle:
		conn.served.Store(false)
		if conn.place != nil {
			c.order.MoveToBack(conn.place)
		}
	case http.StateClosed, http.StateHijacked:
		c.forget(conn)
	}
}

// expire closes a connection that waits for too long. It stands for http.Server's
// IdleTimeout: over HTTP/2 that is set anew when a connection ends with open streams, and
// then keeps the connection's memory (megabytes, after a rapid reset) until it runs out.
func (c *connections) expire(conn *gathering, state http.ConnState) {
	switch {
	case state == http.StateIdle:
		conn.awaitRequest(c.idle)
	case conn.expiry != nil:
		conn.silent.Store(false)
		conn.expiry.Stop()
	}
}

// limited is a listener that admits as many connections as may be. It embeds the one whose
// connections it counts: it is a net.Listener.
type limited struct {
	net.Listener
	connections *connections
}

func (l limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return conn, err
		}
		gathered := &gathering{TCPConn: conn.(*net.TCPConn), pool: &l.connections.pool, client: l.connections.clients.Peer(conn.RemoteAddr())}
		if l.connections.admit(gathered) {
			return gathered, nil
		}
		_ = conn.Close()
	}
}
