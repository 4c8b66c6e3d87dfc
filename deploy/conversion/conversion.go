// Package conversion holds the result of converting the configuration of another program: settings, and the parts
// that were not carried over, each with a reason.
package conversion

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// Left is a part that was not carried over.
type Left struct{ Name, Reason string }

// Conversion is the result of converting a configuration.
type Conversion struct {
	// Values has the settings by full key, in the form that settings.Load takes.
	Values map[string]any
	// Left has the parts that were not carried over, in the order of their names.
	Left []Left
}

// YAML returns the settings as YAML, below comments with the parts that were not carried over. from names the other
// program.
func (c Conversion) YAML(from string) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "# Settings of thumbmill, made from a configuration of %s.\n", from)
	for _, l := range c.Left {
		fmt.Fprintf(&out, "# not carried over: %s: %s\n", printable(l.Name), printable(l.Reason))
	}
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(c.Values, "."), nil); err != nil {
		return "", err
	}
	text, err := k.Marshal(yaml.Parser())
	out.Write(text)
	return out.String(), err
}

// printable keeps text of a file within one comment line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}
