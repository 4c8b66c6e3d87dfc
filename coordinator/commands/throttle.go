package commands

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/commandline"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/operators/client"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

func throttleCommand() *cobra.Command {
	var from client.Client
	var asJSON bool
	cmd := &cobra.Command{
		Use: "throttle", Short: "Show the limits, and change them for a time",
		Long: "Show the limits in force, and the directives of operators.\n\n" +
			"Any coordinator takes a directive. It reaches all edges and coordinators within a\n" +
			"second and ends by itself. The log has its operator and reason.",
		Example: "  thumbmill throttle\n  thumbmill throttle set per-ip --workers 2 --for 30m --why 'a flood of misses'",
		RunE:    func(cmd *cobra.Command, _ []string) error { return showThrottles(cmd, &from, asJSON) },
	}
	from.AddFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print rules and directives as JSON")
	cmd.AddCommand(setCommand(), pauseCommand(),
		forTarget(directive.Block, "block NETWORK", "Serve nothing to a network", "throttle block 192.0.2.0/24 --why 'requests missing originals'"),
		forTarget(directive.Exempt, "exempt NETWORK", "Do not count a network in per-ip", "throttle exempt 2001:db8::/48 --for 24h --why 'our own crawler'"),
		withdrawCommand())
	return cmd
}

// showThrottles prints rules and directives.
func showThrottles(cmd *cobra.Command, from *client.Client, asJSON bool) error {
	t, err := limitsAlone(cmd.Context(), from)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"rules": t.Rules, "directives": t.Directives})
	}
	return printSections(cmd.OutOrStdout(), func(s sections) {
		s.rules(t)
		s.directives(t.Directives)
	})
}

func pauseCommand() *cobra.Command {
	cmd := forTarget(directive.Pause, "pause LANE", "Admit no new work to a lane, and finish the admitted work", "throttle pause bulk --for 2h --why 'the store is slow'")
	var lanes []string
	for _, lane := range renderjob.Lanes() {
		lanes = append(lanes, string(lane))
	}
	commandline.OneOf(cmd, "a lane", lanes...)
	return cmd
}

func withdrawCommand() *cobra.Command {
	var w withdrawal
	cmd := &cobra.Command{
		Use: "withdraw ID", Short: "End a directive before its time", Args: cobra.ExactArgs(1),
		Long:    "End a directive before its time. Its ID is in the last column of `thumbmill throttle`.",
		Example: "  thumbmill throttle withdraw 6Rb2…",
		RunE:    func(cmd *cobra.Command, ids []string) error { return w.withdraw(cmd, ids[0]) },
	}
	w.addFlags(cmd)
	return cmd
}
