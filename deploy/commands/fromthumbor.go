package commands

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/deploy/conversion"
	"github.com/thumbmill/thumbmill/deploy/fromthumbor"
)

func fromThumborCommand() *cobra.Command {
	var secrets bool
	var blacklist string
	cmd := &cobra.Command{
		Use: "from-thumbor THUMBOR.CONF", Short: "Convert a configuration of Thumbor into settings", Args: cobra.ExactArgs(1),
		Long: "Print the settings that correspond to a thumbor.conf, Wikimedia's included, as YAML.\n" +
			"Comments above them list the lines without a counterpart, each with its reason.\n" +
			"Assignments are evaluated; no code of the file runs.\n\n" +
			"Keys and passwords are left out without --secrets: set them in the environment,\n" +
			"as THUMBMILL_EDGE_SECURITY_KEY and the like.",
		Example: "  thumbmill config from-thumbor /etc/thumbor.conf > /etc/thumbmill.d/20-thumbor.yaml\n" +
			"  thumbmill config check /etc/thumbmill.d",
		RunE: func(cmd *cobra.Command, paths []string) error { return convert(cmd, paths[0], blacklist, secrets) },
	}
	cmd.Flags().BoolVar(&secrets, "secrets", false, "write keys and passwords into the settings")
	cmd.Flags().StringVar(&blacklist, "blacklist", "", "Thumbor's blacklist.txt, whose lines become edge.blacklist")
	return cmd
}

func convert(cmd *cobra.Command, path, blacklist string, secrets bool) error {
	text, err := os.ReadFile(path) //nolint:gosec // the operator's own file
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
	return printSettings(cmd, c, "Thumbor", "line")
}

// printSettings prints the settings of a conversion, and on standard error how many parts were not carried over.
func printSettings(cmd *cobra.Command, c conversion.Conversion, from, part string) error {
	settings, err := c.YAML(from)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(cmd.ErrOrStderr(), counted(len(c.Left), part))
	_, err = fmt.Fprint(cmd.OutOrStdout(), settings)
	return err
}

// counted says how many parts were not carried over.
func counted(left int, part string) string {
	switch left {
	case 0:
		return "All " + part + "s were carried over."
	case 1:
		return "1 " + part + " was not carried over; the comment above the settings says why."
	}
	return fmt.Sprintf("%d %ss were not carried over; the comments above the settings say why.", left, part)
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
