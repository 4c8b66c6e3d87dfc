package commands

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/thumbmill/thumbmill/edge/thumborurl"
	"github.com/thumbmill/thumbmill/shared/commandline"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// signing has the flags of sign.
type signing struct {
	flags     commandline.Settings
	base, key string
	expires   time.Duration
}

func signCommand() *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use: "sign PATH…", Short: "Sign Thumbor URLs with the newest of the site's keys", Args: cobra.MinimumNArgs(1),
		Long: "Print the signed form of each path. A path is the part of the URL after the signature,\n" +
			"percent-encoded as clients send it: 330x/filters:quality(80)/Cat.jpg\n\n" +
			"The key comes from the settings: the first of edge.security_keys, or edge.security_key,\n" +
			"in --config or the environment variable THUMBMILL_EDGE_SECURITY_KEY. It is never an\n" +
			"argument, because everybody on the machine could read it. --key names another key.",
		Example: "  THUMBMILL_EDGE_SECURITY_KEY=… thumbmill sign --base https://thumbs.example 330x/Cat.jpg\n" +
			"  thumbmill sign --config /etc/thumbmill.d --key 2026-11 --expires 24h 330x/Cat.jpg",
		RunE: s.signPaths,
	}
	s.flags.Add(cmd.Flags(), nil)
	s.add(cmd.Flags())
	cmd.Flags().DurationVar(&s.expires, "expires", 0, "time from now after which edges refuse the URLs; 0 means never")
	return cmd
}

// add adds the flags of signatures.
func (s *signing) add(flags *pflag.FlagSet) {
	flags.StringVar(&s.base, "base", "", "prefix of the printed paths, such as https://thumbs.example")
	flags.StringVar(&s.key, "key", "", "name of the key in edge.security_keys, or security_key; \"\" means the newest key")
}

// signer returns a signer with the chosen key of the settings.
func (s *signing) signer(cmd *cobra.Command) (thumborurl.Signer, error) {
	loaded, err := s.flags.Load(cmd.Flags())
	if err != nil {
		return thumborurl.Signer{}, err
	}
	k, err := s.chosen(loaded.Edge.Keys())
	return thumborurl.Signer{Base: s.base, Key: string(k.Key), Algorithm: k.Algorithm, Truncate: k.Truncate}, err
}

// signPaths prints the signed form of each path.
func (s *signing) signPaths(cmd *cobra.Command, paths []string) error {
	signer, err := s.signer(cmd)
	if err != nil {
		return err
	}
	if s.expires < 0 {
		return fmt.Errorf("--expires %v is in the past: write a duration such as 24h", s.expires)
	}
	for _, path := range paths {
		signed, err := s.sign(signer, path)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), signed); err != nil {
			return err
		}
	}
	return nil
}

// chosen returns the key with the name of --key, or the newest key.
func (s *signing) chosen(keys []settings.SecurityKey) (settings.SecurityKey, error) {
	if len(keys) == 0 {
		return settings.SecurityKey{}, errors.New("edge.security_key is not set and has no default: set it in --config, or as THUMBMILL_EDGE_SECURITY_KEY")
	}
	if s.key == "" {
		return keys[0], nil
	}
	var names []string
	for _, k := range keys {
		if k.Name == s.key {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return settings.SecurityKey{}, fmt.Errorf("--key %q is not the name of a key: write one of %s", s.key, strings.Join(names, ", "))
}

// sign returns the signed form of one path.
func (s *signing) sign(signer thumborurl.Signer, path string) (string, error) {
	if path == "" || strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("path %q has a space, a control character or a character outside ASCII: percent-encode it", path)
	}
	if s.expires == 0 {
		return signer.Sign(path), nil
	}
	return signer.SignUntil(path, time.Now().Add(s.expires)), nil
}
