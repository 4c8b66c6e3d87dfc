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
		Use: "top", Short: "Show the busiest of everything, live", Args: cobra.NoArgs,
		Long: "Show what comes in and what is refused, lanes, the busiest pools and renderers, the\n" +
			"clients that are refused most and what failed last: what fits on a screen, again every second.",
		Example: "  thumbmill top\n  thumbmill top --admin http://coordinator1:8889",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := client.UntilSignal(cmd)
			defer stop()
			return keepWatching(ctx, &from, screen{cmd.OutOrStdout(), asJSON, sections.top})
		},
	}
	from.AddFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the JSON of "+operators.Throttles+", a line a second")
	return cmd
}

// topRows is how many rows of each kind fit.
const topRows = 5

func (s sections) top(t coordinator.Throttles) {
	s.rates("requests a second:", t.Requests)
	s.rates("refusals a second:", t.Refusals)
	s.out.Row()
	s.lanes(t)
	s.pools(t, topRows)
	s.busiest("REFUSED CLIENTS", t.Busiest.RefusedClients)
	s.busiest("REFUSED ORIGINALS", t.Busiest.RefusedOriginals)
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
