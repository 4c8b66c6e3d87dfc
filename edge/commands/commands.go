// Package commands is what operators ask of an edge at a terminal: failing, purge and
// render.
package commands

import "github.com/spf13/cobra"

// All makes the commands.
func All() []*cobra.Command {
	return []*cobra.Command{failingCommand(), purgeCommand(), renderCommand()}
}
