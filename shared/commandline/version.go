package commandline

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/version"
)

// AddVersion gives a program the command version and the flag --version. Both print the name of the program, the
// release of thumbmill, and the build. They have cobra's own form: a template would make the linker keep every
// exported method, which are 9 MB of an edge.
func AddVersion(root *cobra.Command) {
	line := root.Name() + " version " + version.Text()
	root.Version = version.Text()
	root.AddCommand(&cobra.Command{
		Use: "version", Short: "Print the release, the commit and Go's version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		},
	})
}
