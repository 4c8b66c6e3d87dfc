package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

func throttleCommand() *cobra.Command {
	var from admin
	var asJSON bool
	cmd := &cobra.Command{
		Use: "throttle", Short: "Show the limits, and change them for a time", Args: cobra.NoArgs,
		Long: "Show the limits that hold, and what operators decided for a time (directives).\n\n" +
			"A directive is given to any coordinator and reaches all edges and coordinators within a\n" +
			"second. It ends by itself, and is logged with who and why.",
		Example: "  thumbmill throttle\n  thumbmill throttle set per-ip --workers 2 --for 30m --why 'a flood of misses'",
		RunE:    func(cmd *cobra.Command, _ []string) error { return from.throttles(cmd, asJSON) },
	}
	from.flag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print rules and directives as JSON")
	pause := forTarget(directive.Pause, "pause LANE", "Have a lane take no new work; what is admitted is finished", "throttle pause bulk --for 2h --why 'the store is slow'")
	for _, lane := range renderjob.Lanes() {
		pause.ValidArgs = append(pause.ValidArgs, string(lane))
	}
	cmd.AddCommand(setCommand(), pause,
		forTarget(directive.Block, "block NETWORK", "Serve nothing to a network", "throttle block 192.0.2.0/24 --why 'asks for what is not there'"),
		forTarget(directive.Exempt, "exempt NETWORK", "Have per-ip not count a network", "throttle exempt 2001:db8::/48 --for 24h --why 'our own crawler'"),
		withdrawCommand())
	return cmd
}

func setCommand() *cobra.Command {
	var d decision
	var workers, queue uint32
	var shadow bool
	cmd := &cobra.Command{
		Use: "set RULE", Short: "Give a rule other limits, or shadow mode, for a time", Args: cobra.ExactArgs(1),
		Long: "Give a throttle (per-ip, per-original, expensive, lane:standard, …) other limits for a time.\n" +
			"What is not named stays as it is.",
		Example: "  thumbmill throttle set expensive --workers 2 --max-queue 10 --why 'huge TIFFs'\n" +
			"  thumbmill throttle set per-ip --shadow --for 24h --why 'would it hurt anybody?'",
		RunE: func(cmd *cobra.Command, rules []string) error {
			wish := directive.Directive{Kind: directive.Limit, Target: rules[0], Workers: workers, MaxQueue: queue}
			if cmd.Flags().Changed("shadow") {
				wish.Shadow = &shadow
			}
			return d.give(cmd, wish)
		},
	}
	d.flags(cmd)
	cmd.Flags().Uint32Var(&workers, "workers", 0, "places that can be held at once")
	cmd.Flags().Uint32Var(&queue, "max-queue", 0, "places held and waited for together")
	cmd.Flags().BoolVar(&shadow, "shadow", false, "count what would be refused and let it through; --shadow=false enforces")
	return cmd
}

// throttles shows rules and directives.
func (a *admin) throttles(cmd *cobra.Command, asJSON bool) error {
	var t coordinator.Throttles
	if err := a.decode(cmd.Context(), http.MethodGet, "/api/v1/throttles?pools=0", &t); err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"rules": t.Rules, "directives": t.Directives})
	}
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	w := table{out}
	w.rules(t)
	w.directives(t.Directives)
	return out.Flush()
}

func (w table) rules(t coordinator.Throttles) {
	w.row("RULE", "WORKERS", "MAX QUEUE", "MODE")
	for _, r := range t.Rules {
		mode := "enforced"
		if r.Shadow {
			mode = "shadow"
		}
		if r.Overridden {
			mode += ", by a directive"
		}
		w.row(r.Name, r.Workers, r.MaxQueue, mode)
	}
}

func (w table) directives(all []directive.Directive) {
	if len(all) == 0 {
		return
	}
	w.row()
	w.row("DIRECTIVE", "TARGET", "LIMITS", "FOR ANOTHER", "WHO", "WHY", "ID")
	for _, d := range all {
		limits := ""
		if d.Kind == directive.Limit {
			limits = fmt.Sprintf("%s, %s", limit(d.Workers), limit(d.MaxQueue))
			if d.Shadow != nil {
				limits += map[bool]string{true: ", shadow", false: ", enforced"}[*d.Shadow]
			}
		}
		left := (time.Duration(d.LeftMS) * time.Millisecond).Round(time.Second)
		w.row(d.Kind, d.Target, limits, left, d.Who, d.Why, d.ID)
	}
}
