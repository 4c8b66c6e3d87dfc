package commandline

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/version"
)

func TestVersion(t *testing.T) {
	for _, argument := range []string{"version", "--version"} {
		root := &cobra.Command{Use: "mill", Run: func(*cobra.Command, []string) {}}
		AddVersion(root)
		ListAllowed(root)
		var out strings.Builder
		root.SetOut(&out)
		root.SetArgs([]string{argument})
		if err := root.Execute(); err != nil || out.String() != "mill version "+version.Text()+"\n" {
			t.Errorf("%s prints %q: %v", argument, out.String(), err)
		}
	}
}
