package commandline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ListAllowed changes the errors of a command and its subcommands: for an unknown subcommand or
// flag the error lists the known ones.
func ListAllowed(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(unknownFlag)
	eachGroup(cmd, func(group *cobra.Command) {
		group.Args = noSuchCommand
		if group.RunE == nil {
			group.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	})
}

// eachGroup visits the commands that have subcommands.
func eachGroup(cmd *cobra.Command, visit func(*cobra.Command)) {
	if cmd.HasSubCommands() {
		visit(cmd)
	}
	for _, below := range cmd.Commands() {
		eachGroup(below, visit)
	}
}

func unknownFlag(cmd *cobra.Command, err error) error {
	var names []string
	note := func(f *pflag.Flag) { names = append(names, "--"+f.Name) }
	cmd.LocalFlags().VisitAll(note)
	cmd.InheritedFlags().VisitAll(note)
	return fmt.Errorf("%w; flags of %s: %s", err, cmd.CommandPath(), strings.Join(names, ", "))
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s has no command %q; it has %s", cmd.CommandPath(), args[0], strings.Join(subcommands(cmd), ", "))
}

func subcommands(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// OneOf sets a command to accept exactly one of the allowed arguments. The shell completes them.
func OneOf(cmd *cobra.Command, what string, allowed ...string) {
	cmd.ValidArgs = allowed
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 1 && slices.Contains(allowed, args[0]) {
			return nil
		}
		return fmt.Errorf("%s is one of %s, not %q", what, strings.Join(allowed, ", "), strings.Join(args, " "))
	}
}
