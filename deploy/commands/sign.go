package commands

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/edge/thumborurl"
	"github.com/thumbmill/thumbmill/shared/commandline"
)

func signCommand() *cobra.Command {
	var flags commandline.Settings
	var base string
	cmd := &cobra.Command{
		Use: "sign PATH…", Short: "Sign Thumbor URLs with edge.security_key", Args: cobra.MinimumNArgs(1),
		Long: "Print the signed form of each path. A path is the part of the URL after the signature,\n" +
			"percent-encoded as clients send it: 330x/filters:quality(80)/Cat.jpg\n\n" +
			"The key comes from the settings: edge.security_key in --config, or the environment\n" +
			"variable THUMBMILL_EDGE_SECURITY_KEY. It is never an argument, because everybody on\n" +
			"the machine could read it.",
		Example: "  THUMBMILL_EDGE_SECURITY_KEY=… thumbmill sign --base https://thumbs.example 330x/Cat.jpg",
		RunE: func(cmd *cobra.Command, paths []string) error {
			s, err := flags.Load(cmd.Flags())
			if err != nil {
				return err
			}
			if s.Edge.SecurityKey == "" {
				return errors.New("edge.security_key is not set and has no default: set it in --config, or as THUMBMILL_EDGE_SECURITY_KEY")
			}
			return sign(cmd, thumborurl.Signer{Base: base, Key: string(s.Edge.SecurityKey)}, paths)
		},
	}
	flags.Add(cmd.Flags(), nil)
	cmd.Flags().StringVar(&base, "base", "", "prefix of the printed paths, such as https://thumbs.example")
	return cmd
}

// sign prints the signed form of each path.
func sign(cmd *cobra.Command, signer thumborurl.Signer, paths []string) error {
	for _, path := range paths {
		if path == "" || strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("path %q has a space, a control character or a character outside ASCII: percent-encode it", path)
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), signer.Sign(path)); err != nil {
			return err
		}
	}
	return nil
}
