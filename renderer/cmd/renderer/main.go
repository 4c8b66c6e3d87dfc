// Command renderer is a renderer alone, for sites of several machines.
package main

import (
	"errors"
	"log/slog"
	"os"

	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func main() {
	if renderer.WorkerAsked() {
		os.Exit(renderer.WorkerMain())
	}
	role := service.Role{
		Name:  "renderer",
		Short: "Render thumbnails: pull jobs from NATS, write the results to the object store",
		Flags: map[string]string{"admin-listen": "admin.listen", "nats-url": "nats.url"},
		New:   newRenderer,
	}
	role.Main()
}

func newRenderer(s settings.Settings, admin *service.Admin, log *slog.Logger) (service.Part, map[string]string, error) {
	if s.NATS.URL == "" {
		return nil, nil, errors.New("nats.url: a renderer alone needs the URL of a NATS server, such as nats://queue:4222")
	}
	if s.Store.Thumbnails.Kind == "directory" {
		log.Warn("thumbnails are kept in a directory: edges and renderers must see the same one", "path", s.Store.Thumbnails.Path)
	}
	stores, err := open.New(s)
	if err != nil {
		return nil, nil, err
	}
	r, err := renderer.New(renderer.Config{Settings: s, Stores: stores, Log: log, Metrics: admin.Registry})
	if err != nil {
		return nil, nil, errors.Join(err, stores.Close())
	}
	admin.Check("renderer", r.Ready)
	return service.Parts{service.Closer(stores.Close), r}, map[string]string{}, nil
}
