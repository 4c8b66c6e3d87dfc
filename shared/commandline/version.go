package commandline

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/version"
)

// AddVersion gives a program the command version and the flag --version. Both print the
// release of thumbmill, and the build.
func AddVersion(root *cobra.Command) {
	line := "thumbmill " + version.Text()
	root.Version = version.Text()
	root.SetVersionTemplate(line + "\n")
	root.AddCommand(&cobra.Command{
		Use: "version", Short: "Print the release, the commit and Go's version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		},
	})
}
