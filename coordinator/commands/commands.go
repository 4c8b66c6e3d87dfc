// Package commands are the operators' commands for a coordinator: status, top, throttle and renderers.
package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/client"
)

// All makes the commands.
func All() []*cobra.Command {
	return []*cobra.Command{statusCommand(), topCommand(), throttleCommand(), renderersCommand()}
}

// limitsAlone reads the report without its pools.
func limitsAlone(ctx context.Context, from *client.Client) (t coordinator.Throttles, err error) {
	return t, from.Get(ctx, operators.Throttles+"?pools=0", &t)
}
