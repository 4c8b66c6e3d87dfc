package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/deploy/fromthumbor"
	"github.com/thumbmill/thumbmill/shared/service"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Look at the configuration"}
	cmd.AddCommand(configShowCommand(), configCheckCommand(), configFromThumborCommand())
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

func configFromThumborCommand() *cobra.Command {
	var secrets bool
	var blacklist string
	cmd := &cobra.Command{
		Use: "from-thumbor THUMBOR.CONF", Short: "Turn a configuration of Thumbor into settings", Args: cobra.ExactArgs(1),
		Long: "Print the settings that a thumbor.conf, Wikimedia's included, corresponds to, as YAML.\n" +
			"What has no counterpart is listed in comments above them, each with its reason.\n" +
			"Assignments are evaluated; nothing of the file is executed.\n\n" +
			"Keys and passwords are left out unless --secrets is given: better set them in the\n" +
			"environment, as THUMBMILL_EDGE_SECURITY_KEY and the like.",
		Example: "  thumbmill config from-thumbor /etc/thumbor.conf > /etc/thumbmill.d/20-thumbor.yaml\n" +
			"  thumbmill config check /etc/thumbmill.d",
		RunE: func(cmd *cobra.Command, paths []string) error {
			text, err := os.ReadFile(paths[0])
			if err != nil {
				return err
			}
			c, err := fromthumbor.Convert(text, secrets)
			if err != nil {
				return err
			}
			if err := addBlacklist(c.Values, blacklist); err != nil {
				return err
			}
			settings, err := c.YAML()
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%d lines were not carried over; they are listed at the head of the settings.\n", len(c.Left))
			_, err = fmt.Fprint(cmd.OutOrStdout(), settings)
			return err
		},
	}
	cmd.Flags().BoolVar(&secrets, "secrets", false, "write keys and passwords into the settings")
	cmd.Flags().StringVar(&blacklist, "blacklist", "", "Thumbor's blacklist.txt, whose lines become edge.blacklist")
	return cmd
}

func addBlacklist(values map[string]any, path string) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path) //nolint:gosec // the operator's own file
	if err != nil {
		return err
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	values["edge.blacklist"] = lines
	return nil
}
