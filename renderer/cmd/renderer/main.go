// Command renderer runs a renderer alone, for sites of several machines.
package main

import (
	"errors"
	"os"

	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/service"
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
	if s.NATS.URL == "" {
		return process.Role{}, errors.New("nats.url is empty: set it to the URL of a NATS server, such as nats://queue:4222")
	}
	if s.Store.Thumbnails.Kind == "directory" {
		p.Log.Warn("keep thumbnails in a directory: every edge and renderer must mount the same directory", "path", s.Store.Thumbnails.Path)
	}
	stores, err := open.New(s)
	if err != nil {
		return process.Role{}, err
	}
	r, err := renderer.New(renderer.Config{Settings: s, Stores: stores, Log: p.Log, Metrics: p.Metrics()})
	if err != nil {
		return process.Role{}, errors.Join(err, stores.Close())
	}
	return process.Role{Part: service.Parts{service.Closer(stores.Close), r}, Ready: r.Ready, Jobs: r.Jobs}, nil
}
