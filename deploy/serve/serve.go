// Package serve is the command that runs the whole cluster in one process: every role, an
// embedded NATS server and stores in directories.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/edge"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/queue/embedded"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// readyWithin is how long the renderer's first heartbeat may take.
const readyWithin = 20 * time.Second

func serveKeys() map[string]string {
	return map[string]string{
		"listen": "edge.listen", "admin-listen": "admin.listen", "coordinator-listen": "coordinator.listen",
		"nats-listen": "nats.listen", "originals": "store.originals.path", "thumbnails": "store.thumbnails.path",
	}
}

// Worker is a worker's life, where this process was started as one by its own renderer:
// main asks first, and ends with the code.
func Worker() (code int, asked bool) {
	if !renderer.WorkerAsked() {
		return 0, false
	}
	return renderer.WorkerMain(), true
}

// Command makes the command.
func Command() *cobra.Command {
	var options service.Options
	var draw bool
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the whole cluster in this process", Args: cobra.NoArgs,
		Long: "Run an edge, a coordinator, a renderer with a slot for each core, an embedded NATS\n" +
			"server and two directory stores in this process, on loopback.\n\n" +
			"A Thumbor path a/b.jpg is the original a/b.jpg below --originals; a MediaWiki\n" +
			"container is a folder below it. Port 0 takes any free port.",
		Example: "  thumbmill serve --samples\n  thumbmill serve --originals /srv/media --listen 127.0.0.1:8000",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := options.Load(cmd.Flags(), serveKeys())
			if err != nil {
				return err
			}
			return serve(s, draw, options.PrintAddresses)
		},
	}
	options.Add(cmd.Flags(), serveKeys())
	cmd.Flags().BoolVar(&draw, "samples", false, "draw a few originals where they are missing, and print URLs of their thumbnails")
	return cmd
}

func serve(s settings.Settings, draw, printAddresses bool) error {
	log, level := service.NewLog(s.Log, os.Stderr)
	var drawn []samples.Sample
	if draw {
		var err error
		if drawn, err = samples.Draw(s.Store.Originals.Path); err != nil {
			return err
		}
	}
	c := &cluster{settings: s, log: log, level: level}
	return service.Run(c, log, func() {
		service.Announce(c.addresses(), printAddresses, log, os.Stdout)
		if draw {
			invite(drawn, c.addresses(), c.admin.Token.Path)
		}
	}, func() { c.admin.Leave() })
}

// invite prints what a newcomer can click on.
func invite(drawn []samples.Sample, addresses map[string]string, tokenFile string) {
	base := addresses["http"]
	fmt.Fprintln(os.Stderr, "\nThumbnails to look at (the first time rendered, then served from the store):")
	for _, s := range drawn {
		fmt.Fprintf(os.Stderr, "  %s/unsafe/330x/%s   (%s)\n", base, s.Name, s.Shows)
	}
	fmt.Fprintf(os.Stderr, "  %s/unsafe/300x300/smart/filters:format(webp)/landscape.jpg   (cut to a square, as WebP)\n", base)
	fmt.Fprintf(os.Stderr, "  %s/wikipedia/commons/thumb/a/ab/Landscape.jpg/330px-Landscape.jpg   (MediaWiki's path)\n", base)
	admin := addresses["admin"]
	fmt.Fprintf(os.Stderr, "Operators' page: %s/   (to look; to act takes the token in %s)\n", admin, tokenFile)
	fmt.Fprintf(os.Stderr, "The same from a terminal: bin/thumbmill top --admin %s\n", admin)
	fmt.Fprintf(os.Stderr, "Health: %s/healthcheck   Ready: %s/readyz   Metrics: %s/metrics\n\nCtrl-C stops everything.\n", base, admin, admin)
}

// cluster is every role in one process, over the same protocols as on many
// machines. It is a service.Part.
type cluster struct {
	settings settings.Settings
	log      *slog.Logger
	level    *slog.LevelVar
	started  service.Parts

	admin       *service.Admin
	queue       *embedded.Server
	coordinator *coordinator.Coordinator
	renderer    *renderer.Renderer
	edge        *edge.Edge
	nats        []nats.Option
	stores      open.Stores
}

// Start brings up one role after the other: those that are asked before those
// that ask, and HTTP when all are ready.
func (c *cluster) Start(ctx context.Context) error {
	for _, step := range []func() error{c.startAdmin, c.startQueue, c.startStores, c.startCoordinator, c.startRenderer, c.startDebug, c.startEdge} {
		if err := errors.Join(step(), ctx.Err()); err != nil {
			return errors.Join(err, c.Stop(context.WithoutCancel(ctx)))
		}
	}
	return nil
}

// Stop stops them, last first.
func (c *cluster) Stop(ctx context.Context) error { return c.started.Stop(ctx) }

func (c *cluster) run(p service.Part) error {
	c.started = append(c.started, p)
	return p.Start(context.Background())
}

func (c *cluster) metrics(role string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"role": role}, c.admin.Registry)
}

func (c *cluster) startAdmin() (err error) {
	if c.admin, err = service.NewAdmin(c.settings.Admin, c.log); err != nil {
		return err
	}
	return c.run(c.admin)
}

func (c *cluster) startQueue() (err error) {
	if c.settings.NATS.URL != "" {
		return nil // somebody else's
	}
	if c.queue, err = embedded.New(c.settings.NATS.Listen, c.log); err != nil {
		return err
	}
	c.nats = append(c.nats, c.queue.Option())
	return c.run(c.queue)
}

func (c *cluster) startStores() (err error) {
	if dir := c.settings.Store.Originals; dir.Kind == "directory" {
		if _, statErr := os.Stat(dir.Path); errors.Is(statErr, fs.ErrNotExist) {
			c.log.Warn("the folder of originals did not exist: it is made, and empty", "store.originals.path", dir.Path)
		}
	}
	if c.stores, err = open.New(c.settings); err != nil {
		return err
	}
	return c.run(service.Closer(c.stores.Close))
}

func (c *cluster) startCoordinator() (err error) {
	c.coordinator, err = coordinator.New(coordinator.Config{
		Settings: c.settings.Coordinator, Log: c.log, Metrics: c.metrics("coordinator"),
	})
	if err != nil {
		return err
	}
	for _, path := range coordinator.APIPaths() {
		c.admin.Handle(path, c.coordinator.API())
	}
	if len(c.settings.Coordinator.Servers) > 0 {
		c.log.Warn("coordinator.servers names others: this process's own coordinator is not asked by its edge", "servers", c.settings.Coordinator.Servers)
	} else {
		c.settings.Coordinator.Servers = []string{c.coordinator.Addr()}
	}
	return c.run(c.coordinator)
}

func (c *cluster) startRenderer() error {
	var err error
	c.renderer, err = renderer.New(renderer.Config{
		Settings: c.settings, Stores: c.stores, NATS: c.nats, Log: c.log, Metrics: c.metrics("renderer"),
	})
	if err != nil {
		return err
	}
	return c.run(c.renderer)
}

func (c *cluster) startDebug() error {
	if debug := service.NewDebug("serve", c.level, c.renderer.Jobs, c.log); debug != nil {
		return c.run(debug)
	}
	return nil
}

func (c *cluster) startEdge() (err error) {
	c.edge, err = edge.New(edge.Config{
		Settings: c.settings, Stores: c.stores, NATS: c.nats, Log: c.log, Metrics: c.metrics("edge"),
	})
	if err != nil {
		return err
	}
	api := c.edge.API()
	for _, path := range edge.APIPaths() {
		c.admin.Handle(path, api)
	}
	c.admin.Check("edge", c.edge.Ready)
	c.admin.Check("renderer", c.renderer.Ready)
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	for c.edge.Ready() != nil {
		if periodic.Sleep(ctx, 10*time.Millisecond) != nil {
			return errors.Join(fmt.Errorf("the cluster is not ready: %w", c.edge.Ready()), c.edge.Stop(context.Background()))
		}
	}
	return c.run(c.edge)
}

// addresses are those in use; nats is empty when the embedded server takes
// connections from this process alone.
func (c *cluster) addresses() map[string]string {
	url := c.settings.NATS.URL.String()
	if c.queue != nil {
		url = c.queue.URL()
	}
	return map[string]string{
		"http": "http://" + c.edge.Addr(), "admin": c.admin.URL(),
		"coordinator": strings.Join(c.coordinator.Addrs(), ","), "nats": url,
	}
}
