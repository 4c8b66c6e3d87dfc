package front

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// connections knows all of them, and those that wait for a request in the order in which
// they began to.
type connections struct {
	max int

	mu      sync.Mutex
	waiting *list.List                 // of net.Conn
	all     map[net.Conn]*list.Element // nil for those that are served

	closed *prometheus.CounterVec
}

func newConnections(limit int, metrics prometheus.Registerer) *connections {
	c := &connections{max: limit, waiting: list.New(), all: map[net.Conn]*list.Element{}}
	c.closed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_edge_connections_closed_total",
		Help: "Connections closed because there were edge.max_connections: idle ones, which gave way, or new ones, when none was idle.",
	}, []string{"which"})
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "thumbmill_edge_connections", Help: "Connections of clients."}, func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return float64(len(c.all))
	})
	metrics.MustRegister(c.closed, open)
	return c
}

// plain is what a listener accepted.
func plain(conn net.Conn) net.Conn {
	if encrypted, ok := conn.(*tls.Conn); ok {
		return encrypted.NetConn()
	}
	return conn
}

// admit takes a new connection in, in place of an idle one if need be.
func (c *connections) admit(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) >= c.max {
		oldest := c.waiting.Front()
		if oldest == nil {
			c.closed.WithLabelValues("new").Inc()
			return false
		}
		idle := oldest.Value.(net.Conn)
		c.forget(idle)
		_ = idle.Close()
		c.closed.WithLabelValues("idle").Inc()
	}
	c.all[conn] = c.waiting.PushBack(conn)
	return true
}

func (c *connections) forget(conn net.Conn) {
	if place := c.all[conn]; place != nil {
		c.waiting.Remove(place)
	}
	delete(c.all, conn)
}

// note is http.Server's ConnState.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	conn = plain(conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	place, known := c.all[conn]
	switch {
	case !known: // it gave way
	case state == http.StateActive && place != nil:
		c.waiting.Remove(place)
		c.all[conn] = nil
	case state == http.StateIdle && place == nil:
		c.all[conn] = c.waiting.PushBack(conn)
	case state == http.StateClosed, state == http.StateHijacked:
		c.forget(conn)
	}
}

// limited is a listener that admits as many connections as may be.
type limited struct {
	net.Listener
	connections *connections
}

func (l limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.connections.admit(conn) {
			return conn, err
		}
		_ = conn.Close()
	}
}
