// Package commands has the commands for thumbmill's files that need no running process: config,
// sign, srcset and credentials.
package commands

import "github.com/spf13/cobra"

// All returns the commands of this package.
func All() []*cobra.Command {
	return []*cobra.Command{signCommand(), srcsetCommand(), configCommand(), credentialsCommand()}
}
