// Package coordinator is the role that decides who may render now: a
// semaphore for each client, original, expensive type, lane and thumbnail,
// asked for over PoolCounter's protocol.
//
// DESIGN.md in this folder tells how it works and why so.
package coordinator

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/coordinator/internal/classic"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Config is what a coordinator is made of.
type Config struct {
	// Listen is host:port, port 0 for any free one, or unix:PATH.
	Listen  string
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// WarnOfSecret tells an operator who set a secret that PoolCounter's protocol has
// no place for one.
func WarnOfSecret(s settings.Coordinator, log *slog.Logger) {
	if s.Secret != "" {
		log.Warn("coordinator.secret protects nothing yet: PoolCounter's protocol knows no secrets. Keep the port away from those who must not take slots", "listen", s.Listen)
	}
}

// Coordinator serves one listener. It keeps its state in memory alone: locks end
// with the connections that hold them, and so with a restart.
type Coordinator struct {
	listener net.Listener
	server   *classic.Server
	log      *slog.Logger
	group    sync.WaitGroup
}

// New binds the listener.
func New(c Config) (*Coordinator, error) {
	network, address := "tcp", c.Listen
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("coordinator.listen: %w", err)
	}
	table := pools.New(time.Now)
	waits := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "thumbmill_pool_wait_seconds", Help: "Time from asking for a slot to the answer, by class of pool.",
		Buckets: []float64{0, .001, .01, .05, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60},
	}, []string{"class"})
	server := classic.New(table, c.Log, waits)
	c.Metrics.MustRegister(waits, tableMetrics{table, server})
	return &Coordinator{listener: listener, server: server, log: c.Log}, nil
}

// Addr is the address in use.
func (c *Coordinator) Addr() string { return c.listener.Addr().String() }

// Start serves.
func (c *Coordinator) Start(context.Context) error {
	c.group.Go(func() { c.server.Serve(c.listener) })
	return nil
}

// Stop disconnects all clients, which frees their locks.
func (c *Coordinator) Stop(ctx context.Context) error {
	_ = c.listener.Close() // a second Stop finds it closed
	err := c.server.Close(ctx)
	c.group.Wait()
	return err
}

// tableMetrics reads the table when it is scraped.
type tableMetrics struct {
	table  *pools.Table
	server *classic.Server
}

func holders() *prometheus.Desc {
	return prometheus.NewDesc("thumbmill_pool_holders", "Slots held now, by class of pool.", []string{"class"}, nil)
}

func waiters() *prometheus.Desc {
	return prometheus.NewDesc("thumbmill_pool_waiters", "Requests that wait for a slot now, by class of pool.", []string{"class"}, nil)
}

func clients() *prometheus.Desc {
	return prometheus.NewDesc("thumbmill_coordinator_clients", "Connections of clients now.", nil, nil)
}

func refusals() *prometheus.Desc {
	return prometheus.NewDesc("thumbmill_coordinator_full_queues_total", "Requests refused because their pool's queue was full.", nil, nil)
}

func (tableMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- holders()
	out <- waiters()
	out <- clients()
	out <- refusals()
}

func (m tableMetrics) Collect(out chan<- prometheus.Metric) {
	counts, _ := m.table.Counts()
	for _, class := range poolcounter.Classes() {
		out <- prometheus.MustNewConstMetric(holders(), prometheus.GaugeValue, float64(counts.HoldersBy[class]), string(class))
		out <- prometheus.MustNewConstMetric(waiters(), prometheus.GaugeValue, float64(counts.WaitersBy[class]), string(class))
	}
	out <- prometheus.MustNewConstMetric(clients(), prometheus.GaugeValue, float64(m.server.Connections()))
	out <- prometheus.MustNewConstMetric(refusals(), prometheus.CounterValue, float64(counts.FullQueues))
}
