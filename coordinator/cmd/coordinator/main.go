// Command coordinator is a coordinator alone, for sites of several machines.
package main

import (
	"strings"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/service/process"
	"github.com/thumbmill/thumbmill/shared/service/rolecommand"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func main() { command().Main() }

func command() rolecommand.Role {
	return rolecommand.Role{
		Name:  "coordinator",
		Short: "Limit renders for edges, and for clients of PoolCounter's protocol",
		Flags: map[string]string{"listen": "coordinator.listen", "admin-listen": "admin.listen"},
		New:   newCoordinator,
	}
}

func newCoordinator(s settings.Settings, p *process.Process) (process.Role, error) {
	c, err := coordinator.New(coordinator.Config{Settings: s.Coordinator, Prometheus: s.Prometheus, Log: p.Log, Metrics: p.Metrics()})
	if err != nil {
		return process.Role{}, err
	}
	return process.Role{
		Part: c, Ready: c.Ready, API: c.API(), Paths: coordinator.APIPaths(),
		Addresses: map[string]string{"coordinator": strings.Join(c.Addrs(), ",")},
	}, nil
}
