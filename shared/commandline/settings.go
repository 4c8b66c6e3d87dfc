package commandline

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// Settings is the flags that set a command's settings.
type Settings struct {
	config string
	keys   map[string]string // keys of settings by the name of the flag
}

// Add defines --config, and for each name in keys a flag that sets that key.
func (s *Settings) Add(flags *pflag.FlagSet, keys map[string]string) {
	flags.StringVar(&s.config, "config", "", "file, or folder of *.yaml, with settings")
	s.keys = keys
	defaults := settings.Default().Values()
	for name, key := range keys {
		flags.String(name, asFlag(defaults[key]), "sets "+key)
	}
}

// AddPrintAddresses defines --print-addresses for a command that serves.
func AddPrintAddresses(flags *pflag.FlagSet, wanted *bool) {
	flags.BoolVar(wanted, "print-addresses", false, "print the addresses in use on stdout once ready, as one line of JSON")
}

// asFlag returns a default in the form of a flag's value.
func asFlag(value any) string {
	if list, ok := value.([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(value)
}

// Load returns the settings from defaults, --config, environment and flags. Later sources overwrite
// earlier ones. The error lists all problems.
func (s *Settings) Load(flags *pflag.FlagSet) (settings.Settings, error) {
	given := map[string]any{}
	for name, key := range s.keys {
		if f := flags.Lookup(name); f.Changed {
			given[key] = f.Value.String()
		}
	}
	return load(s.config, given)
}

// Check reads a file, or a folder of *.yaml, like --config. The error lists all problems.
func Check(path string) error {
	_, err := load(path, nil)
	return err
}

func load(path string, given map[string]any) (settings.Settings, error) {
	s, err := settings.Load(path, os.Environ(), given)
	if err != nil {
		return s, fmt.Errorf("the configuration is not usable:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	return s, nil
}
