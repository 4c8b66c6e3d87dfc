package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/service"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Look at the configuration"}
	cmd.AddCommand(configShowCommand(), configCheckCommand())
	return cmd
}

func configShowCommand() *cobra.Command {
	var options service.Options
	cmd := &cobra.Command{
		Use: "show", Short: "Print the effective configuration as YAML, secrets masked", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := options.Load(cmd.Flags(), nil)
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
	cmd.Flags().StringVar(&options.Config, "config", "", "file, or folder of *.yaml, with settings")
	return cmd
}

func configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check PATH", Short: "Tell everything that is wrong with a file, or a folder of *.yaml", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			options := service.Options{Config: paths[0]}
			if _, err := options.Load(cmd.Flags(), nil); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: nothing is wrong\n", paths[0])
			return err
		},
	}
}
