package service

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// Role describes the command of one role.
type Role struct {
	Name  string
	Short string
	// Flags are names of flags and the keys that they set, beside --config.
	Flags map[string]string
	// New makes the role and tells the addresses that it uses, by name.
	New func(s settings.Settings, admin *Admin, log *slog.Logger) (Part, map[string]string, error)
}

// Command is the role's command line.
func (r Role) Command(stdout, stderr io.Writer) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use: r.Name, Short: r.Short, Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true, Version: Version(),
		Long: r.Short + ".\n\nSettings come from --config (a file, or a folder whose *.yaml are merged in\n" +
			"alphabetical order), then from the environment (edge.allow_unsafe is\n" +
			"THUMBMILL_EDGE_ALLOW_UNSAFE), then from flags. `thumbmill config show` prints them all.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := options.Load(cmd.Flags(), r.Flags)
			if err != nil {
				return err
			}
			return r.run(s, options.PrintAddresses, stdout, stderr)
		},
	}
	options.Add(cmd.Flags(), r.Flags)
	cmd.AddCommand(r.ready(), DebugCommand(r.Name))
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	return cmd
}

// Main runs the role's command and ends the process with 1 when it fails.
func (r Role) Main() {
	if err := r.Command(os.Stdout, os.Stderr).Execute(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", r.Name, err)
		os.Exit(1)
	}
}

func (r Role) run(s settings.Settings, printAddresses bool, stdout, stderr io.Writer) error {
	plain, level := NewLog(s.Log, stderr)
	log := plain.With("role", r.Name)
	admin, err := NewAdmin(s.Admin, log)
	if err != nil {
		return err
	}
	part, addresses, err := r.New(s, admin, log)
	if err != nil {
		return err
	}
	addresses["admin"] = admin.URL()
	parts := Parts{admin, part}
	if debug := NewDebug(r.Name, level, jobs(part), log); debug != nil {
		parts = append(Parts{debug}, parts...)
	}
	return Run(parts, log, func() { Announce(addresses, printAddresses, log, stdout) }, admin.Leave)
}

// jobs asks those parts that do any.
func jobs(p Part) func() any {
	all := Parts{p}
	if several, ok := p.(Parts); ok {
		all = several
	}
	return func() any {
		for _, p := range all {
			if worker, ok := p.(interface{ Jobs() any }); ok {
				return worker.Jobs()
			}
		}
		return []any{}
	}
}

// Announce logs the addresses in use and, where asked for, prints them as one line of JSON.
func Announce(addresses map[string]string, print bool, log *slog.Logger, stdout io.Writer) {
	var fields []any
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		fields = append(fields, name, addresses[name])
	}
	log.Info("ready", fields...)
	if print {
		line, _ := json.Marshal(addresses) // strings alone
		_, _ = fmt.Fprintf(stdout, "%s\n", line)
	}
}

// Options are the flags that all commands have.
type Options struct {
	Config         string
	PrintAddresses bool
}

// Add defines --config, --print-addresses, and a flag for each named key.
func (o *Options) Add(flags *pflag.FlagSet, keys map[string]string) {
	flags.StringVar(&o.Config, "config", "", "file, or folder of *.yaml, with settings")
	flags.BoolVar(&o.PrintAddresses, "print-addresses", false, "print the addresses in use on stdout once ready, as one line of JSON")
	defaults := settings.Default().Values()
	for name, key := range keys {
		flags.String(name, text(defaults[key]), "sets "+key)
	}
}

// text writes a default as a flag takes it.
func text(value any) string {
	if list, ok := value.([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(value)
}

// Load reads the settings; flags that were given win.
func (o *Options) Load(flags *pflag.FlagSet, keys map[string]string) (settings.Settings, error) {
	given := map[string]any{}
	for name, key := range keys {
		if f := flags.Lookup(name); f.Changed {
			given[key] = f.Value.String()
		}
	}
	s, err := settings.Load(o.Config, os.Environ(), given)
	if err != nil {
		return s, fmt.Errorf("the configuration is not usable:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	return s, nil
}
