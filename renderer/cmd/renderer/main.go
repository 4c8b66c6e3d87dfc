// Command renderer runs a renderer alone, for sites of several machines.
package main

import (
	"os"

	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/service/alone"
	"github.com/thumbmill/thumbmill/shared/service/process"
	"github.com/thumbmill/thumbmill/shared/service/rolecommand"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func main() {
	if renderer.WorkerAsked() {
		os.Exit(renderer.WorkerMain())
	}
	role := rolecommand.Role{
		Name:  "renderer",
		Short: "Render thumbnails: pull jobs from NATS, write the results to the object store",
		Flags: map[string]string{"admin-listen": "admin.listen", "nats-url": "nats.url"},
		New:   newRenderer,
	}
	role.Main()
}

func newRenderer(s settings.Settings, p *process.Process) (process.Role, error) {
	return alone.Role("renderer", s, p, func(stores open.Stores) (process.Role, error) {
		r, err := renderer.New(renderer.Config{Settings: s, Stores: stores, Log: p.Log, Metrics: p.Metrics()})
		if err != nil {
			return process.Role{}, err
		}
		return process.Role{Part: r, Ready: r.Ready, Jobs: r.Jobs}, nil
	})
}
