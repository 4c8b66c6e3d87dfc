package serve

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/deploy/embedded"
	"github.com/thumbmill/thumbmill/deploy/uploads"
	"github.com/thumbmill/thumbmill/edge"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/service/process"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// readyWithin bounds the time until the renderer's first heartbeat.
const readyWithin = 20 * time.Second

// cluster is every role in one process. The roles use the same protocols as on many machines. Each
// method makes a role, in the order of addCluster.
type cluster struct {
	process  *process.Process
	settings settings.Settings
	nats     []nats.Option // for connections of roles to the embedded server
	stores   open.Stores
	uploads  *uploads.Store // nil without the page to try URLs
}

// addCluster adds the roles to a process, each after the roles that it asks, and HTTP last.
func addCluster(p *process.Process, s settings.Settings) {
	c := &cluster{process: p, settings: s}
	p.AddPart(c.queue)
	p.AddPart(c.openStores)
	p.AddRole("coordinator", c.coordinator)
	p.AddRole("renderer", c.renderer)
	p.AddRole("edge", c.edge)
}

// metrics returns a registerer that labels the metrics of one role, so that roles in one process do
// not share counts.
func (c *cluster) metrics(role string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"role": role}, c.process.Metrics())
}

func (c *cluster) queue() (service.Part, error) {
	if c.settings.NATS.URL != "" { // an external NATS server
		c.process.Announce("nats", c.settings.NATS.URL.String())
		return service.Parts{}, nil
	}
	server, err := embedded.New(c.settings.NATS.Listen, c.process.Log)
	if err != nil {
		return nil, err
	}
	c.nats = append(c.nats, server.Option())
	c.process.Announce("nats", server.URL())
	return server, nil
}

func (c *cluster) openStores() (_ service.Part, err error) {
	if c.stores, err = open.New(c.settings); err != nil {
		return nil, err
	}
	closer := service.Closer(c.stores.Close)
	if c.settings.Edge.TryPage == "" {
		c.settings.Edge.TryPage = settings.TryAlways
	}
	if c.settings.Edge.TryPage == settings.TryAlways && c.settings.Store.Originals.Scheme() == "" { // else a name is a host
		c.uploads = &uploads.Store{}
		c.stores = c.stores.Add(c.settings.Store.Originals.Prefix+uploads.Prefix, c.uploads)
	}
	return closer, nil
}

func (c *cluster) coordinator() (process.Role, error) {
	co, err := coordinator.New(coordinator.Config{
		Settings: c.settings.Coordinator, Prometheus: c.settings.Prometheus, Log: c.process.Log, Metrics: c.metrics("coordinator"),
	})
	if err != nil {
		return process.Role{}, err
	}
	if len(c.settings.Coordinator.Servers) > 0 {
		c.process.Log.Warn("use coordinator.servers instead of this process's own coordinator", "servers", c.settings.Coordinator.Servers)
	} else {
		c.settings.Coordinator.Servers = []string{co.Addr()}
	}
	return process.Role{
		Part: co, Ready: co.Ready, API: co.API(), Paths: coordinator.APIPaths(),
		Addresses: map[string]string{"coordinator": strings.Join(co.Addrs(), ",")},
	}, nil
}

func (c *cluster) renderer() (process.Role, error) {
	r, err := renderer.New(renderer.Config{
		Settings: c.settings, Stores: c.stores, NATS: c.nats, Log: c.process.Log, Metrics: c.metrics("renderer"),
	})
	if err != nil {
		return process.Role{}, err
	}
	return process.Role{Part: r, Ready: r.Ready, Jobs: r.Jobs}, nil
}

func (c *cluster) edge() (process.Role, error) {
	config := edge.Config{Settings: c.settings, Stores: c.stores, NATS: c.nats, Log: c.process.Log, Metrics: c.metrics("edge")}
	if c.uploads != nil {
		config.Uploads = c.uploads
	}
	e, err := edge.New(config)
	if err != nil {
		return process.Role{}, err
	}
	return process.Role{
		Part: whenReady{e}, Ready: e.Ready, API: e.API(), Paths: edge.APIPaths(),
		Addresses: map[string]string{"http": "http://" + e.Addr()},
	}, nil
}

// whenReady is an edge that starts to serve when it knows a renderer. It therefore refuses no first
// request.
type whenReady struct{ edge *edge.Edge }

// Start waits until the edge is ready, and then serves.
func (w whenReady) Start(ctx context.Context) error {
	waits, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for w.edge.Ready() != nil {
		if periodic.Sleep(waits, 10*time.Millisecond) != nil {
			return fmt.Errorf("the cluster is not ready: %w", w.edge.Ready())
		}
	}
	return w.edge.Start(ctx)
}

func (w whenReady) Stop(ctx context.Context) error { return w.edge.Stop(ctx) }
