// Package commands has the subcommands of thumbmill that ask an edge: failing, purge and render.
package commands

import "github.com/spf13/cobra"

// All returns the subcommands.
func All() []*cobra.Command {
	return []*cobra.Command{failingCommand(), purgeCommand(), renderCommand()}
}
