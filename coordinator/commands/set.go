package commands

import (
	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/operators"
)

func setCommand() *cobra.Command {
	var d decision
	var workers, queue uint32
	var shadow bool
	cmd := &cobra.Command{
		Use: "set RULE", Short: "Give a rule other limits, or shadow mode, for a time", Args: cobra.ExactArgs(1),
		Long: "Give a rule (ip, original, expensive, lane:standard, …) other limits for a time.\n" +
			"What is not named stays as it is.",
		Example: "  thumbmill throttle set expensive --workers 2 --max-queue 10 --why 'huge TIFFs'\n" +
			"  thumbmill throttle set ip --shadow --for 24h --why 'would it hurt anybody?'",
		RunE: func(cmd *cobra.Command, rules []string) error {
			wish := operators.DirectiveRequest{Kind: directive.Limit, Target: rules[0], Workers: workers, MaxQueue: queue}
			if cmd.Flags().Changed("shadow") {
				wish.Shadow = &shadow
			}
			return d.give(cmd, wish)
		},
	}
	d.addFlags(cmd)
	cmd.Flags().Uint32Var(&workers, "workers", 0, "places that can be held at once")
	cmd.Flags().Uint32Var(&queue, "max-queue", 0, "places held and waited for together")
	cmd.Flags().BoolVar(&shadow, "shadow", false, "count what would be refused and let it through; --shadow=false enforces")
	return cmd
}
