// Package coordinator is the role that decides who may render now: a semaphore
// for each client, original, expensive type, lane and thumbnail, asked for over
// PoolCounter's protocol or over its own.
//
// DESIGN.md in this folder tells how it works and why so, PROTOCOL.md the
// protocols byte by byte.
package coordinator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/classic"
	"github.com/thumbmill/thumbmill/coordinator/internal/directives"
	"github.com/thumbmill/thumbmill/coordinator/internal/fleet"
	"github.com/thumbmill/thumbmill/coordinator/internal/gate"
	"github.com/thumbmill/thumbmill/coordinator/internal/native"
	"github.com/thumbmill/thumbmill/coordinator/internal/page"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/coordinator/internal/report"
	"github.com/thumbmill/thumbmill/coordinator/internal/wanted"
	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Config is what a coordinator is made of.
type Config struct {
	Settings settings.Coordinator
	Log      *slog.Logger
	Metrics  prometheus.Registerer
}

// Coordinator serves its listeners. It keeps its state in memory alone. Locks of
// PoolCounter's clients end with their connections; edges bring their leases back
// after a restart.
type Coordinator struct {
	listeners  []net.Listener
	gate       *gate.Gate
	table      *pools.Table
	classic    *classic.Server
	report     *report.Reporter
	directives *directives.Book
	fleet      *fleet.Fleet
	wanted     *wanted.Estimator
	stopped    context.Context //nolint:containedctx // its end is the coordinator's
	stop       context.CancelFunc
	group      sync.WaitGroup
}

// New binds the listeners.
func New(c Config) (*Coordinator, error) {
	observer := newObserver()
	table := pools.New(observer)
	co := &Coordinator{fleet: fleet.New(), table: table, wanted: wanted.New()}
	co.directives = directives.New(table, co.fleet, c.Log)
	co.stopped, co.stop = context.WithCancel(context.Background())
	co.report = report.New(report.Config{Table: table, Activity: observer.activity, Fleet: co.fleet, Directives: co.directives, Wanted: co.wanted})
	edges := native.New(native.Config{
		Table: table, Activity: observer.activity, Fleet: co.fleet, Directives: co.directives, Secret: string(c.Settings.Secret), Log: c.Log,
	})
	var err error
	if co.classic, err = classic.New(table, observer.activity, func() int64 { return co.gate.Refused() }); err != nil {
		return nil, err
	}
	if err := co.open(c, edges); err != nil {
		return nil, errors.Join(err, co.Stop(context.Background()))
	}
	if c.Settings.Secret == "" && co.exposed() {
		c.Log.Warn("there is no coordinator.secret, and others than this machine can connect: whoever does can take every lease, and give directives as if with the token of admin.token_file", "listen", co.Addrs())
	}
	c.Metrics.MustRegister(observer.waits, tableMetrics{table, co.gate}, wantedMetric(co.wanted))
	return co, nil
}

// open makes the gate, and binds the listeners.
func (co *Coordinator) open(c Config, edges *native.Server) (err error) {
	config := gate.Config{Classic: co.classic, Native: edges, Log: c.Log}
	for _, text := range c.Settings.Classic {
		network, err := settings.ParseNetwork(text)
		if err != nil {
			return fmt.Errorf("coordinator.classic: %w", err)
		}
		config.Networks = append(config.Networks, network)
	}
	if c.Settings.TLS.Certificate != "" {
		if config.TLS, err = certificate.Reloading(c.Settings.TLS, c.Log); err != nil {
			return fmt.Errorf("coordinator.tls: %w", err)
		}
	}
	co.gate = gate.New(config)
	for _, address := range c.Settings.Listen {
		listener, err := listen(address)
		if err != nil {
			return fmt.Errorf("coordinator.listen: %w", err)
		}
		co.listeners = append(co.listeners, listener)
	}
	return nil
}

// exposed reports whether another machine can connect.
func (c *Coordinator) exposed() bool {
	for _, l := range c.listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			return true
		}
	}
	return false
}

// listen binds host:port, IPv4 or IPv6, or unix:PATH, whose socket a killed
// coordinator may have left behind.
func listen(address string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(address, "unix:")
	if !isUnix {
		return net.Listen("tcp", address)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%s: somebody listens there already", address)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return net.Listen("unix", path)
}

// Addr is the first address in use.
func (c *Coordinator) Addr() string { return c.Addrs()[0] }

// Addrs are all addresses in use, as coordinator.servers takes them.
func (c *Coordinator) Addrs() (all []string) {
	for _, l := range c.listeners {
		address := l.Addr().String()
		if l.Addr().Network() == "unix" {
			address = "unix:" + address
		}
		all = append(all, address)
	}
	return all
}

// API is what operators ask of a coordinator: their page, /api/v1/throttles and below,
// /api/v1/directives and below.
func (c *Coordinator) API() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(operators.Throttles, c.report.Handler())
	mux.Handle(operators.Throttles+"/", c.report.Handler())
	mux.Handle(operators.Directives, c.directives.Handler())
	mux.Handle(operators.Directives+"/", c.directives.Handler())
	for _, path := range page.Paths() {
		mux.Handle("GET "+path, page.Handler())
	}
	return mux
}

// APIPaths are where API is to be found.
func APIPaths() []string {
	return append(page.Paths(), operators.Throttles, operators.Throttles+"/", operators.Directives, operators.Directives+"/")
}

// Start serves.
func (c *Coordinator) Start(context.Context) error {
	c.group.Go(c.classic.Run)
	c.group.Go(c.estimate)
	c.report.Start()
	for _, l := range c.listeners {
		c.group.Go(func() { c.gate.Serve(l) })
	}
	return nil
}

// estimate keeps the number of renderers that would be right.
func (c *Coordinator) estimate() {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			c.wanted.Note(now, c.sample())
		case <-c.stopped.Done():
			return
		}
	}
}

func (c *Coordinator) sample() (s wanted.Sample) {
	_, classes, _ := c.table.Counts()
	lanes := classes[poolcounter.ClassLane]
	s.Granted, s.Refused = lanes.Granted, lanes.Full+lanes.TimedOut
	for _, h := range c.fleet.Living() {
		s.Busy += h.Utilisation * float64(max(h.Whole, h.Slots))
		if !h.Draining && h.Slots > 0 {
			s.Slots += h.Slots
			s.Renderers++
		}
	}
	return s
}

// Stop disconnects all clients, which frees their locks.
func (c *Coordinator) Stop(ctx context.Context) error {
	c.stop()
	c.report.Close()
	for _, l := range c.listeners {
		_ = l.Close() // a second Stop finds it closed
	}
	err := c.gate.Close(ctx)
	c.classic.Close()
	c.directives.Close()
	c.group.Wait()
	return err
}

// Throttles is the report that API serves.
type Throttles = report.Throttles

// Busy is a client or an original of the report.
type Busy = activity.Busy
