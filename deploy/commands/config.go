package commands

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/commandline"
	"github.com/thumbmill/thumbmill/shared/deadline"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Show, check or convert a configuration",
		Long: "Show or check the configuration, or convert a configuration of Thumbor,\nimgproxy or imagor. docs/configuration.md lists all settings.",
	}
	cmd.AddCommand(configShowCommand(), configCheckCommand(), fromThumborCommand(), fromImgproxyCommand(), fromImagorCommand())
	return cmd
}

func configShowCommand() *cobra.Command {
	var flags commandline.Settings
	cmd := &cobra.Command{
		Use: "show", Short: "Print the effective configuration as YAML, secrets masked", Args: cobra.NoArgs,
		Long: "Print the effective configuration as YAML, with masked secrets. Comments below it show the\n" +
			"longest time of each step of a request.",
		Example: "  thumbmill config show\n  THUMBMILL_EDGE_ALLOW_UNSAFE=true thumbmill config show --config /etc/thumbmill.d",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := flags.Load(cmd.Flags())
			if err != nil {
				return err
			}
			text, err := s.YAML()
			if err == nil {
				_, err = fmt.Fprint(cmd.OutOrStdout(), text, steps(s.Deadline()))
			}
			return err
		},
	}
	flags.Add(cmd.Flags(), nil)
	return cmd
}

// steps shows, as comments of YAML, how a request's deadline is split.
func steps(split deadline.Split) string {
	var text strings.Builder
	text.WriteString("\n# The longest time of each step of a request:\n")
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, step := range split.Steps() {
		from := "fixed"
		if step.From != "" {
			from = "from " + step.From
		}
		_, _ = fmt.Fprintf(table, "#   %s\t%v\t%s\n", step.Name, step.Bound, from) // a Builder takes all
	}
	_ = table.Flush() // likewise
	return text.String()
}

func configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check PATH", Short: "List the errors of a file, or of a folder of *.yaml", Args: cobra.ExactArgs(1),
		Long:    "List the errors of a file, or of a folder of *.yaml, and exit with 1 if there are any. The\nenvironment counts too, as in a process that reads the same settings.",
		Example: "  thumbmill config check /etc/thumbmill.d",
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := commandline.Check(paths[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: nothing is wrong\n", paths[0])
			return err
		},
	}
}
