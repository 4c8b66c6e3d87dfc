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

// connections holds all connections, in the order in which they began to wait for a request.
type connections struct {
	max     int
	idle    time.Duration // for which a connection may wait for its next request
	clients *clientaddr.Finder
	resets  *resets
	quick   *quick
	log     *slog.Logger

	mu    sync.Mutex
	order *list.List     // of *gathering; a connection with a request under way has any position
	has   map[string]int // connections by client
	none  time.Time      // until then, closeOne assumes that no connection waits
	told  time.Time      // of the last warning about a client's share

	closed *prometheus.CounterVec
	pool   sync.Pool
}

func newConnections(limit int, idle time.Duration, clients *clientaddr.Finder, log *slog.Logger, metrics prometheus.Registerer) *connections {
	c := &connections{
		max: limit, idle: idle, clients: clients, resets: newResets(), log: log,
		quick: newQuick(nil), order: list.New(), has: map[string]int{}, pool: sync.Pool{New: func() any { return new([]byte) }},
	}
	c.closed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_edge_connections_closed_total",
		Help: "Connections that the edge closed: idle (it had edge.max_connections, and a new connection came), new (no connection was idle), client (the client had its share), impatient (the client took back its HTTP/2 requests).",
	}, []string{"which"})
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "thumbmill_edge_connections", Help: "Connections of clients."}, func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return float64(c.order.Len())
	})
	for _, which := range []string{"idle", "new", "client", "impatient"} {
		c.closed.WithLabelValues(which) // a series that starts with 0 shows the first closing as an increase
	}
	metrics.MustRegister(c.closed, open)
	return c
}

// plain returns the connection without TLS, as the listener accepted it.
func plain(conn net.Conn) *gathering {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	return conn.(*gathering)
}

// share returns the number of connections that one client may have: a tenth of all, or a hundred
// if that is more, since many people can be behind one address. It is at most half of all, so no
// client takes all connections.
func (c *connections) share() int { return min(max(c.max/10, 100), c.max/2) }

// admit adds a new connection, and closes an idle one for it if the limit is reached. It returns
// false if the connection must be closed.
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

// refuse returns the reason for refusing another connection of a client, or "". The client "",
// which stands for proxies and exempt clients, has no share.
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

// warnOfShare logs a client that has its share, at most once in a window, since the client may try
// again at once.
func (c *connections) warnOfShare(client string) {
	if now := time.Now(); now.After(c.told.Add(window)) {
		c.told = now
		c.log.Warn("refuse a connection of a client that has its share of edge.max_connections: if the client is a proxy, name it in edge.trusted_proxies", "client", client, "connections", c.share())
	}
}

// searchAgain is the pause after a search that found no idle connection: in a flood of new
// connections, not each may cost a search.
const searchAgain = 50 * time.Millisecond

// closeOne closes the connection that has waited longest, and reports whether there was one. It
// moves connections with a request under way, or with a quick answer since the last search, to the end, so that the
// next search meets them last.
func (c *connections) closeOne() bool {
	if time.Now().Before(c.none) {
		return false
	}
	for range c.order.Len() {
		oldest := c.order.Front()
		conn := oldest.Value.(*gathering)
		if conn.served.Load() || conn.answered.Swap(false) {
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

// stateChanged implements http.Server's ConnState. The server makes one call at a time for each
// connection.
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

// expire closes a connection that waits for too long. It replaces http.Server's IdleTimeout: over
// HTTP/2 the server starts that timer again when a connection ends with open streams, and the timer
// keeps the connection's memory (megabytes after a rapid reset) until it ends.
func (c *connections) expire(conn *gathering, state http.ConnState) {
	switch {
	case state == http.StateIdle:
		conn.awaitRequest(c.idle)
	case conn.expiry != nil:
		conn.silent.Store(false)
		conn.expiry.Stop()
	}
}

// limited is a listener that admits connections within their limits. It embeds the listener that
// accepts them, to be a net.Listener.
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
		gathered := &gathering{
			TCPConn: conn.(*net.TCPConn), pool: &l.connections.pool, client: l.connections.clients.Peer(conn.RemoteAddr()),
			quick: l.connections.quick, remote: conn.RemoteAddr().String(),
		}
		if l.connections.admit(gathered) {
			return gathered, nil
		}
		_ = conn.Close()
	}
}

// Close closes the listener, and lets quick answers end: net/http's server takes their connections for idle ones.
func (l limited) Close() error {
	err := l.Listener.Close()
	l.connections.quick.stopped.Store(true) // first, so that no answer begins behind hurry
	l.connections.hurry(time.Now().Add(stopWithin))
	l.connections.quick.wait()
	return err
}

// hurry bounds the answers under way.
func (c *connections) hurry(by time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; e = e.Next() {
		if conn := e.Value.(*gathering); conn.state.Load() != waiting {
			_ = conn.TCPConn.SetWriteDeadline(by)
		}
	}
}
