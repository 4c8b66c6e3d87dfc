package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/client"
)

func statusCommand() *cobra.Command {
	var from client.Client
	var watch, asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show the throttles and their refusals",
		Long: "Show the pools of a coordinator with their holders and waiters, refusals, the busiest\n" +
			"clients and originals of the last minutes, lanes, renderers, edges, directives of operators\n" +
			"and failing originals. `thumbmill top` shows the busiest of them, live.",
		Example: "  thumbmill status\n  thumbmill status --watch --admin http://coordinator1:8889\n  thumbmill status --json | jq .classes",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := client.UntilSignal(cmd)
			defer stop()
			to := screen{out: cmd.OutOrStdout(), asJSON: asJSON, write: sections.report}
			if watch {
				if !asJSON {
					var restore func()
					to.window, ctx, restore = openWindow(ctx, to.out)
					defer restore()
				}
				return keepWatching(ctx, &from, to)
			}
			return showStatus(ctx, &from, to)
		},
	}
	from.AddFlags(cmd)
	cmd.Flags().BoolVar(&watch, "watch", false, "print again every second, until Ctrl-C")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the JSON of "+operators.Throttles+", one line for each report")
	return cmd
}

func showStatus(ctx context.Context, from *client.Client, to screen) error {
	text, err := from.Read(ctx, operators.Throttles)
	if err != nil {
		return err
	}
	return to.show(text)
}
