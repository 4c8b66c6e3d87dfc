package commands

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/commandline"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Look at the configuration, and make one",
		Long: "Look at the configuration, and make one of Thumbor's. docs/configuration.md lists all settings.",
	}
	cmd.AddCommand(configShowCommand(), configCheckCommand(), fromThumborCommand())
	return cmd
}

func configShowCommand() *cobra.Command {
	var flags commandline.Settings
	cmd := &cobra.Command{
		Use: "show", Short: "Print the effective configuration as YAML, secrets masked", Args: cobra.NoArgs,
		Example: "  thumbmill config show\n  THUMBMILL_EDGE_ALLOW_UNSAFE=true thumbmill config show --config /etc/thumbmill.d",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := flags.Load(cmd.Flags())
			if err != nil {
				return err
			}
			text, err := s.YAML()
			if err == nil {
				_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			}
			return err
		},
	}
	flags.Add(cmd.Flags(), nil)
	return cmd
}

func configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check PATH", Short: "Tell everything that is wrong with a file, or a folder of *.yaml", Args: cobra.ExactArgs(1),
		Long:    "Tell everything that is wrong with a file, or a folder of *.yaml, and end with 1 if anything is.\nThe environment counts, as it does for the process that reads the same.",
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
