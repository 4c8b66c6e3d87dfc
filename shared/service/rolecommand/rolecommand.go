// Package rolecommand is the command line of one role: the commands edge, coordinator and renderer. It
// runs the role, checks its readiness, and inspects it.
package rolecommand

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/commandline"
	"github.com/thumbmill/thumbmill/shared/logging"
	"github.com/thumbmill/thumbmill/shared/service/debug"
	"github.com/thumbmill/thumbmill/shared/service/process"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Role describes the command of one role.
type Role struct {
	Name  string
	Short string
	// Flags has names of flags and their settings keys, beside --config.
	Flags map[string]string
	// New makes the role for its process.
	New func(s settings.Settings, p *process.Process) (process.Role, error)
}

// Main runs the role's command. After a failure it ends the process with 1.
func (r Role) Main() {
	if err := r.Command(os.Stdout, os.Stderr).Execute(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", r.Name, err)
		os.Exit(1)
	}
}

// Command returns the role's command line.
func (r Role) Command(stdout, stderr io.Writer) *cobra.Command {
	var flags commandline.Settings
	var printAddresses bool
	cmd := &cobra.Command{
		Use: r.Name, Short: r.Short, SilenceUsage: true, SilenceErrors: true,
		Long: r.Short + ".\n\nSettings come from --config (a file, or a folder whose *.yaml are merged in\n" +
			"alphabetical order), then from the environment (edge.allow_unsafe is\n" +
			"THUMBMILL_EDGE_ALLOW_UNSAFE), then from flags. `thumbmill config show` prints them all.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := flags.Load(cmd.Flags())
			if err != nil {
				return err
			}
			return r.run(s, printAddresses, stdout, stderr)
		},
	}
	flags.Add(cmd.Flags(), r.Flags)
	commandline.AddPrintAddresses(cmd.Flags(), &printAddresses)
	commandline.AddVersion(cmd)
	cmd.AddCommand(r.readyCommand(), debug.Command(r.Name))
	cmd.CompletionOptions.DisableDefaultCmd = true
	commandline.ListAllowed(cmd)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	return cmd
}

func (r Role) run(s settings.Settings, printAddresses bool, stdout, stderr io.Writer) error {
	log, level := logging.New(s.Log, stderr)
	p, err := process.New(r.Name, s, log.With("role", r.Name), level)
	if err != nil {
		return err
	}
	p.AddRole(r.Name, func() (process.Role, error) { return r.New(s, p) })
	return p.Run(func(addresses map[string]string) {
		if printAddresses {
			process.PrintAddresses(stdout, addresses)
		}
	})
}
