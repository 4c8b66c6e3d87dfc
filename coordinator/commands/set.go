package commands

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

func setCommand() *cobra.Command {
	var d decision
	var workers, queue uint32
	var shadow bool
	cmd := &cobra.Command{
		Use: "set THROTTLE", Short: "Give a throttle other limits, or shadow mode, for a time", Args: cobra.ExactArgs(1),
		ValidArgs: throttle.All().RuleNames(),
		Long: "Give a throttle other limits for a time: " + strings.Join(throttle.All().RuleNames(), ", ") + ".\n" +
			"per-ip:NETWORK limits each client in a network and nobody else. Limits without a flag stay\n" +
			"unchanged. Hyphens and underscores are the same.",
		Example: "  thumbmill throttle set expensive --workers 2 --max-queue 10 --why 'huge TIFFs'\n" +
			"  thumbmill throttle set per-ip:192.0.2.7 --workers 1 --why 'a crawler'\n" +
			"  thumbmill throttle set per-ip --shadow --for 24h --why 'try it before enforcing'",
		RunE: func(cmd *cobra.Command, rules []string) error {
			wish := operators.DirectiveRequest{Kind: directive.Limit, Target: rules[0], Workers: workers, MaxQueue: queue}
			if cmd.Flags().Changed("shadow") {
				wish.Shadow = &shadow
			}
			return d.give(cmd, wish)
		},
	}
	d.addFlags(cmd)
	cmd.Flags().Uint32Var(&workers, "workers", 0, "places held at once")
	cmd.Flags().Uint32Var(&queue, "max-queue", 0, "places held and waited for, together")
	cmd.Flags().BoolVar(&shadow, "shadow", false, "count refusals and refuse nothing; --shadow=false enforces")
	return cmd
}
