// Command edge is an edge alone, for sites of several machines.
package main

import (
	"errors"
	"log/slog"

	"github.com/thumbmill/thumbmill/edge"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func main() {
	role := service.Role{
		Name:  "edge",
		Short: "Serve thumbnails over HTTP: from the object store, or rendered by the renderers",
		Flags: map[string]string{"listen": "edge.listen", "admin-listen": "admin.listen", "nats-url": "nats.url"},
		New:   newEdge,
	}
	role.Main()
}

func newEdge(s settings.Settings, admin *service.Admin, log *slog.Logger) (service.Part, map[string]string, error) {
	if s.NATS.URL == "" {
		return nil, nil, errors.New("nats.url: an edge alone needs the URL of a NATS server, such as nats://queue:4222")
	}
	if len(s.Coordinator.Servers) == 0 {
		return nil, nil, errors.New("coordinator.servers: an edge alone needs at least one coordinator, such as coordinator1:7531")
	}
	if s.Store.Thumbnails.Kind == "directory" {
		log.Warn("thumbnails are kept in a directory: edges and renderers must see the same one", "path", s.Store.Thumbnails.Path)
	}
	stores, err := open.New(s)
	if err != nil {
		return nil, nil, err
	}
	e, err := edge.New(edge.Config{Settings: s, Stores: stores, Log: log, Metrics: admin.Registry})
	if err != nil {
		return nil, nil, errors.Join(err, stores.Close())
	}
	api := e.API()
	for _, path := range edge.APIPaths() {
		admin.Handle(path, api)
	}
	admin.Check("edge", e.Ready)
	return service.Parts{service.Closer(stores.Close), e}, map[string]string{"http": "http://" + e.Addr()}, nil
}
