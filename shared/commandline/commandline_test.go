package commandline

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// tree is a program with a group that does something by itself, one that does not, and a
// command of one argument.
func tree() *cobra.Command {
	nothing := func(*cobra.Command, []string) error { return nil }
	root := &cobra.Command{Use: "mill", SilenceErrors: true, SilenceUsage: true}
	acts := &cobra.Command{Use: "throttle", RunE: nothing}
	acts.Flags().Bool("json", false, "")
	pause := &cobra.Command{Use: "pause LANE", RunE: nothing}
	OneOf(pause, "a lane", "standard", "bulk")
	acts.AddCommand(pause, &cobra.Command{Use: "set RULE", RunE: nothing})
	group := &cobra.Command{Use: "config"}
	group.AddCommand(&cobra.Command{Use: "show", RunE: nothing})
	root.AddCommand(acts, group)
	ListAllowed(root)
	return root
}

func TestMistakesAreAnsweredWithWhatIsAllowed(t *testing.T) {
	for name, c := range map[string]struct{ line, says string }{
		"no mistake":                 {"throttle", ""},
		"no mistake below":           {"throttle pause bulk", ""},
		"a group alone helps":        {"config", ""},
		"a command":                  {"sevre", `mill has no command "sevre"; it has completion, config, throttle`},
		"a command of a group":       {"config list", `mill config has no command "list"; it has show`},
		"a command of one that acts": {"throttle list", `mill throttle has no command "list"; it has pause, set`},
		"an argument":                {"throttle pause slow", `a lane is one of standard, bulk, not "slow"`},
		"no argument":                {"throttle pause", `a lane is one of standard, bulk, not ""`},
		"a flag":                     {"throttle --xml", "unknown flag: --xml; flags of mill throttle: --help, --json"},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree()
			root.SetOut(io.Discard)
			root.SetArgs(strings.Fields(c.line))
			err := root.Execute()
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}
