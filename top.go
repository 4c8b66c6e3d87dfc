package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

func topCommand() *cobra.Command {
	var from admin
	var asJSON bool
	cmd := &cobra.Command{
		Use: "top", Short: "Show the busiest of everything, live", Args: cobra.NoArgs,
		Long: "Show what comes in and what is refused, lanes, the busiest pools and renderers, who is\n" +
			"refused most and what failed last: what fits on a screen, again every second.",
		Example: "  thumbmill top\n  thumbmill top --admin http://coordinator1:8889",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(cmd)
			defer stop()
			return from.keepWatching(ctx, reports{cmd.OutOrStdout(), asJSON, table.top})
		},
	}
	from.flag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the JSON of /api/v1/throttles, a line a second")
	return cmd
}

// shown is how many rows of each kind fit.
const shown = 5

func (w table) top(t coordinator.Throttles) {
	w.rates("requests a second:", t.Requests)
	w.rates("refusals a second:", t.Refusals)
	w.row()
	w.lanes(t)
	w.pools(t, shown)
	w.busiest("REFUSED CLIENTS", t.Busiest.RefusedClients)
	w.busiest("REFUSED ORIGINALS", t.Busiest.RefusedOriginals)
	w.row()
	slices.SortFunc(t.Renderers, func(a, b renderjob.Heartbeat) int { return cmp.Compare(b.Utilisation, a.Utilisation) })
	t.Renderers = t.Renderers[:min(len(t.Renderers), shown)]
	w.renderers(t)
	w.directives(t.Directives)
	for i, f := range t.Failing[:min(len(t.Failing), shown)] {
		if i == 0 {
			w.row()
			w.row("FAILING ORIGINAL", "FAILURES", "FAULT")
		}
		w.row(f.Original, f.Failures, f.Fault)
	}
}

// rates writes the highest first, in one line.
func (w table) rates(title string, rates map[string]float64) {
	text, total := "", 0.0
	for _, name := range slices.SortedFunc(maps.Keys(rates), func(a, b string) int { return cmp.Or(cmp.Compare(rates[b], rates[a]), cmp.Compare(a, b)) }) {
		if total += rates[name]; rates[name] >= 0.05 {
			text += fmt.Sprintf("  %s %.1f", name, rates[name])
		}
	}
	w.row(fmt.Sprintf("%s %.1f%s", title, total, text))
}
