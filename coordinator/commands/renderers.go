package commands

import (
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/operators/client"
)

func renderersCommand() *cobra.Command {
	var from client.Client
	var asJSON bool
	cmd := &cobra.Command{
		Use: "renderers", Short: "Show the living renderers, and drain one",
		Long: "Show the living renderers, their work, and the right number of renderers for the latest\n" +
			"requests. A draining renderer finishes its jobs and takes no more.",
		Example: "  thumbmill renderers\n  thumbmill renderers drain renderer-… --for 2h --why 'a new kernel'",
		RunE:    func(cmd *cobra.Command, _ []string) error { return showRenderers(cmd, &from, asJSON) },
	}
	from.AddFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the heartbeats as JSON")
	cmd.AddCommand(
		forTarget(directive.Drain, "drain RENDERER", "Give a renderer no new jobs for a time", "renderers drain renderer-… --why 'a new kernel'"),
		resumeCommand())
	return cmd
}

func showRenderers(cmd *cobra.Command, from *client.Client, asJSON bool) error {
	t, err := limitsAlone(cmd.Context(), from)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"renderers": t.Renderers, "wanted": t.Wanted})
	}
	return printSections(cmd.OutOrStdout(), func(s sections) { s.renderers(t) })
}

func resumeCommand() *cobra.Command {
	var w withdrawal
	cmd := &cobra.Command{
		Use: "resume RENDERER", Short: "Give jobs to a drained renderer again", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			all, err := forTargetOf(cmd.Context(), &w.from, directive.Drain, names[0])
			for _, d := range all {
				err = errors.Join(err, w.withdraw(cmd, d.ID))
			}
			return err
		},
	}
	w.addFlags(cmd)
	return cmd
}
