package commands

import (
	"cmp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/client"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

func topCommand() *cobra.Command {
	var from client.Client
	var asJSON bool
	cmd := &cobra.Command{
		Use: "top", Short: "Show the busiest clients, pools and renderers, live", Args: cobra.NoArgs,
		Long: "Show what needs attention, requests, refusals, clients, lanes, the busiest pools and renderers\n" +
			"and the latest failures, on one screen that changes every second. Arrows, space and b scroll;\n" +
			"q ends.",
		Example: "  thumbmill top\n  thumbmill top --admin http://coordinator1:8889",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := client.UntilSignal(cmd)
			defer stop()
			to := screen{out: cmd.OutOrStdout(), asJSON: asJSON, write: sections.top}
			if !asJSON {
				var restore func()
				to.window, ctx, restore = openWindow(ctx, to.out)
				defer restore()
			}
			return keepWatching(ctx, &from, to)
		},
	}
	from.AddFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the JSON of "+operators.Throttles+", one line each second")
	return cmd
}

// topRows bounds the rows of each kind.
const topRows = 5

func (s sections) top(t coordinator.Throttles) {
	s.attention(t)
	s.rates("requests per second:", t.Requests)
	s.rates("refusals per second:", t.Refusals)
	s.out.Row()
	s.lanes(t)
	s.clients(t, topRows)
	s.pools(t, topRows)
	s.busiest("REFUSED ORIGINALS", t.Busiest.RefusedOriginals)
	s.costly(t)
	s.out.Row()
	slices.SortFunc(t.Renderers, func(a, b renderjob.Heartbeat) int { return cmp.Compare(b.Utilisation, a.Utilisation) })
	t.Renderers = t.Renderers[:min(len(t.Renderers), topRows)]
	s.renderers(t)
	s.directives(t.Directives)
	for i, f := range t.Failing[:min(len(t.Failing), topRows)] {
		if i == 0 {
			s.out.Section("FAILING ORIGINAL", "FAILURES", "FAULT")
		}
		s.out.Row(f.Original, f.Failures, f.Fault)
	}
}
