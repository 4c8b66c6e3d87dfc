// Command loadtest sends a load to a thumbnail server, and plans how many renderers a
// site needs: loadtest --help lists what it does.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/commandline"
)

func main() {
	root := &cobra.Command{
		Use: "loadtest", Short: "Load a thumbnail server, and plan its capacity",
		Long: "loadtest run sends a load, as a media site has it, to any thumbnail server: thumbmill,\n" +
			"Thumbor, imgproxy, imagor. loadtest plan answers how many renderers a site needs, from\n" +
			"its own metrics; loadtest simulate shows what a number of renderers would do.",
		SilenceErrors: true, SilenceUsage: true,
	}
	commandline.AddVersion(root)
	root.AddCommand(runCommand(), compareCommand(), originalsCommand(), planCommand(), simulateCommand(), judgeCommand())
	if err := root.Execute(); err != nil {
		root.PrintErrln("loadtest:", err)
		os.Exit(1)
	}
}
