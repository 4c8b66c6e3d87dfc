// Command loadtest sends a load to a thumbnail server, and plans the number of renderers of a site.
// loadtest --help lists its commands.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/commandline"
)

func main() {
	root := &cobra.Command{
		Use: "loadtest", Short: "Load a thumbnail server, and plan its capacity",
		Long: "loadtest run sends the load of a media site to any thumbnail server: thumbmill, Thumbor,\n" +
			"imgproxy, imagor. loadtest plan computes from a cluster's metrics how many renderers a site\n" +
			"needs; loadtest simulate shows waits and refusals with a given number of renderers; loadtest\n" +
			"fleet shows what binds a large fleet.",
		SilenceErrors: true, SilenceUsage: true,
	}
	commandline.AddVersion(root)
	root.AddCommand(runCommand(), compareCommand(), originalsCommand(), planCommand(), simulateCommand(), fleetCommand(), judgeCommand())
	if err := root.Execute(); err != nil {
		root.PrintErrln("loadtest:", err)
		os.Exit(1)
	}
}
