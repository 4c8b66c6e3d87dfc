package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

func renderersCommand() *cobra.Command {
	var from admin
	var asJSON bool
	cmd := &cobra.Command{
		Use: "renderers", Short: "Show the renderers that live, and have one drain", Args: cobra.NoArgs,
		Long: "Show the renderers that live, what they do, and how many would be right for what came lately\n" +
			"now. One that drains finishes what it has and takes no new jobs.",
		Example: "  thumbmill renderers\n  thumbmill renderers drain renderer-… --for 2h --why 'a new kernel'",
		RunE:    func(cmd *cobra.Command, _ []string) error { return from.renderers(cmd, asJSON) },
	}
	from.flag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print their heartbeats as JSON")
	cmd.AddCommand(
		forTarget(directive.Drain, "drain RENDERER", "Have a renderer take no new jobs for a time", "renderers drain renderer-… --why 'a new kernel'"),
		resumeCommand())
	return cmd
}

func resumeCommand() *cobra.Command {
	var from admin
	var who string
	cmd := &cobra.Command{
		Use: "resume RENDERER", Short: "Have a renderer that drains take jobs again", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			all, err := from.ofTarget(cmd.Context(), directive.Drain, names[0])
			if err != nil {
				return err
			}
			for _, d := range all {
				err = errors.Join(err, from.withdraw(cmd, d.ID, who))
			}
			return err
		},
	}
	from.flag(cmd)
	cmd.Flags().StringVar(&who, "who", operator(), "who has it resume")
	return cmd
}

func (a *admin) renderers(cmd *cobra.Command, asJSON bool) error {
	var t coordinator.Throttles
	if err := a.decode(cmd.Context(), http.MethodGet, "/api/v1/throttles?pools=0", &t); err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"renderers": t.Renderers, "wanted": t.Wanted})
	}
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	table{out}.renderers(t)
	return out.Flush()
}

func (w table) renderers(t coordinator.Throttles) {
	w.row("RENDERER", "BUSY", "SLOTS", "USE", "IN HAND", "ENGINE", "KILLED", "STATE", fmt.Sprintf("(%d would be right)", t.Wanted))
	for _, r := range t.Renderers {
		var killed int64
		for _, n := range r.Kills {
			killed += n
		}
		w.row(r.Renderer, r.Busy, r.Slots, fmt.Sprintf("%.0f %%", 100*r.Utilisation), r.InHand, r.EngineVersion, killed, state(r))
	}
}

func state(r renderjob.Heartbeat) string {
	switch {
	case r.Ordered:
		return "drains: a directive"
	case r.Draining:
		return "stops"
	}
	return "takes jobs, confined by " + strings.Join(r.Layers, " ")
}
