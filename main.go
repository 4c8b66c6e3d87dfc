// Command thumbmill is the whole cluster in one process, and the operator's tool; thumbmill --help lists its
// commands.
package main

import (
	"os"

	"github.com/spf13/cobra"

	coordinator "github.com/thumbmill/thumbmill/coordinator/commands"
	deploy "github.com/thumbmill/thumbmill/deploy/commands"
	"github.com/thumbmill/thumbmill/deploy/serve"
	edge "github.com/thumbmill/thumbmill/edge/commands"
	"github.com/thumbmill/thumbmill/shared/commandline"
	"github.com/thumbmill/thumbmill/shared/service/debug"
)

func main() {
	if code, asked := serve.Worker(); asked {
		os.Exit(code)
	}
	root := &cobra.Command{
		Use:   "thumbmill",
		Short: "A distributed, queue-driven thumbnail cluster",
		Long: "thumbmill makes thumbnails for sites with more media than one machine can render.\n\n" +
			"`thumbmill serve` runs the whole cluster in one process. The commands edge,\n" +
			"coordinator and renderer run one role each, for several machines. The other commands\n" +
			"ask the running coordinator or edge that --admin names, or work on files.",
		SilenceErrors: true, SilenceUsage: true,
	}
	commandline.AddVersion(root)
	root.AddCommand(serve.Command(), debug.Command("thumbmill"))
	root.AddCommand(coordinator.All()...)
	root.AddCommand(edge.All()...)
	root.AddCommand(deploy.All()...)
	commandline.ListAllowed(root)
	if err := root.Execute(); err != nil {
		root.PrintErrln("thumbmill:", err)
		os.Exit(commandline.Status(err))
	}
}
