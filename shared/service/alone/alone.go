// Package alone makes a role that runs in a process of its own, beside the same role on other machines: an edge or
// a renderer. In `thumbmill serve` all roles share one process.
package alone

import (
	"errors"
	"fmt"

	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/service/process"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Role opens the stores, makes the role with them, and closes them after the role has stopped. The settings must
// name a NATS server. A thumbnails' directory gets a warning, since other machines must mount it too.
func Role(name string, s settings.Settings, p *process.Process, make func(open.Stores) (process.Role, error)) (process.Role, error) {
	if s.NATS.URL == "" {
		return process.Role{}, fmt.Errorf("nats.url is empty, and this %s shares a queue with others: set it to the URL of a NATS server, such as nats://queue:4222", name)
	}
	if s.Store.Thumbnails.Kind == "directory" {
		p.Log.Warn("keep thumbnails in a directory: every edge and renderer must mount the same directory", "path", s.Store.Thumbnails.Path)
	}
	stores, err := open.New(s)
	if err != nil {
		return process.Role{}, err
	}
	role, err := make(stores)
	if err != nil {
		return process.Role{}, errors.Join(err, stores.Close())
	}
	role.Part = service.Parts{service.Closer(stores.Close), role.Part}
	return role, nil
}
