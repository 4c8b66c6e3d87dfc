package commands

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/deploy/fromenv"
)

func fromImgproxyCommand() *cobra.Command {
	return fromEnvCommand("from-imgproxy", fromenv.Imgproxy(),
		"  docker exec images env | thumbmill config from-imgproxy - > /etc/thumbmill.d/20-imgproxy.yaml")
}

func fromImagorCommand() *cobra.Command {
	return fromEnvCommand("from-imagor", fromenv.Imagor(), "  thumbmill config from-imagor imagor.env > /etc/thumbmill.d/20-imagor.yaml")
}

// fromEnvCommand returns a command that converts the variables of a program.
func fromEnvCommand(name string, d fromenv.Dialect, example string) *cobra.Command {
	var secrets bool
	cmd := &cobra.Command{
		Use: name + " FILE", Short: "Convert environment variables of " + d.Name + " into settings", Args: cobra.ExactArgs(1),
		Long: "Print the settings that correspond to environment variables of " + d.Name + ", as YAML. The file\n" +
			"has lines such as NAME=value, as Docker and systemd read them; - is standard input.\n" +
			"Comments above the settings list the variables without a counterpart, each with its reason.\n\n" +
			"Keys and passwords are left out without --secrets.",
		Example: example + "\n  thumbmill config check /etc/thumbmill.d",
		RunE: func(cmd *cobra.Command, paths []string) error {
			text, err := readFile(cmd.InOrStdin(), paths[0])
			if err != nil {
				return err
			}
			c, err := fromenv.Convert(d, text, secrets)
			if err != nil {
				return fmt.Errorf("%s: %w", paths[0], err)
			}
			return printSettings(cmd, c, d.Name, "variable")
		},
	}
	cmd.Flags().BoolVar(&secrets, "secrets", false, "write keys and passwords into the settings")
	return cmd
}

// mostInput bounds standard input in bytes.
const mostInput = 1 << 20

// readFile reads a file, or standard input for "-".
func readFile(in io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(in, mostInput))
	}
	return os.ReadFile(path) //nolint:gosec // the operator's own file
}
