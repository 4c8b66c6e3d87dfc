// Command edge runs an edge alone, for clusters of several machines.
package main

import (
	"errors"

	"github.com/thumbmill/thumbmill/edge"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/service/alone"
	"github.com/thumbmill/thumbmill/shared/service/process"
	"github.com/thumbmill/thumbmill/shared/service/rolecommand"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func main() {
	role := rolecommand.Role{
		Name:  "edge",
		Short: "Serve thumbnails over HTTP: from the object store, or rendered by the renderers",
		Flags: map[string]string{"listen": "edge.listen", "admin-listen": "admin.listen", "nats-url": "nats.url"},
		New:   newEdge,
	}
	role.Main()
}

func newEdge(s settings.Settings, p *process.Process) (process.Role, error) {
	if len(s.Coordinator.Servers) == 0 {
		return process.Role{}, errors.New("coordinator.servers is not set: an edge alone needs at least one coordinator, such as coordinator1:7531")
	}
	return alone.Role("edge", s, p, func(stores open.Stores) (process.Role, error) {
		e, err := edge.New(edge.Config{Settings: s, Stores: stores, Log: p.Log, Metrics: p.Metrics()})
		if err != nil {
			return process.Role{}, err
		}
		return process.Role{
			Part: e, Ready: e.Ready, API: e.API(), Paths: edge.APIPaths(), Addresses: map[string]string{"http": "http://" + e.Addr()},
		}, nil
	})
}
