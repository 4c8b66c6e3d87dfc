// Command coordinator is a coordinator alone, for sites of several machines.
package main

import (
	"log/slog"
	"strings"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func main() {
	role := service.Role{
		Name:  "coordinator",
		Short: "Decide who may render now: for edges, and over PoolCounter's protocol for others",
		Flags: map[string]string{"listen": "coordinator.listen", "admin-listen": "admin.listen"},
		New: func(s settings.Settings, admin *service.Admin, log *slog.Logger) (service.Part, map[string]string, error) {
			c, err := coordinator.New(coordinator.Config{Settings: s.Coordinator, Log: log, Metrics: admin.Registry})
			if err != nil {
				return nil, nil, err
			}
			admin.Check("coordinator", c.Ready)
			api := c.API()
			for _, path := range coordinator.APIPaths() {
				admin.Handle(path, api)
			}
			return c, map[string]string{"coordinator": strings.Join(c.Addrs(), ",")}, nil
		},
	}
	role.Main()
}
