// Command thumbmill is the whole cluster in one process, and the operator's
// tool: thumbmill --help lists what it does.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/service"
)

func main() {
	if renderer.WorkerAsked() {
		os.Exit(renderer.WorkerMain())
	}
	root := &cobra.Command{
		Use:   "thumbmill",
		Short: "A distributed, queue-driven thumbnail cluster",
		Long: "thumbmill makes thumbnails for sites whose media no single machine can render.\n\n" +
			"`thumbmill serve` runs the whole cluster in one process. The roles alone, for\n" +
			"several machines, are the commands edge, coordinator and renderer.",
		SilenceErrors: true, SilenceUsage: true, Version: service.Version(),
	}
	root.AddCommand(serveCommand(), statusCommand(), topCommand(), throttleCommand(), renderersCommand(), failingCommand(), service.DebugCommand("thumbmill"), purgeCommand(), renderCommand(), signCommand(), configCommand(), credentialsCommand())
	if err := root.Execute(); err != nil {
		root.PrintErrln("thumbmill:", err)
		os.Exit(1)
	}
}
