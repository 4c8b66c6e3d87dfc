// Package commands is what operators do with thumbmill's files at a terminal, and no
// process need run for: config, sign and credentials.
package commands

import "github.com/spf13/cobra"

// All makes the commands.
func All() []*cobra.Command {
	return []*cobra.Command{signCommand(), configCommand(), credentialsCommand()}
}
