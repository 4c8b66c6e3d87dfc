package debian

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// resolve runs the resolver on a list, with an apt that knows the given packages.
func resolve(t *testing.T, list string, known ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	apt := "#!/bin/sh\nprintf '%s\\n' " + strings.Join(known, " ") + "\n"
	if len(known) == 0 {
		apt = "#!/bin/sh\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "apt-cache"), []byte(apt), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	path := filepath.Join(dir, "list")
	if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("../packages/resolve", path)
	cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
	out, err := cmd.Output()
	return strings.Join(strings.Fields(string(out)), " "), err
}

func TestListsOfPackages(t *testing.T) {
	for name, c := range map[string]struct {
		list  string
		known []string
		want  string
		fails bool
	}{
		"the first of two":       {"a | b\n", []string{"a", "b"}, "a", false},
		"the second, without it": {"a | b\n", []string{"b", "c"}, "b", false},
		"neither":                {"a | b\n", []string{"c"}, "", true},
		"an optional one":        {"a?\nb\n", []string{"a", "b"}, "a b", false},
		"without it":             {"a?\nb\n", []string{"b"}, "b", false},
		"remarks":                {"# of a\n\nb # or c\n", []string{"a", "b", "c"}, "b", false},
		"no part of a name":      {"a\n", []string{"ab"}, "", true},
		"apt knows nothing yet":  {"a?\nb\n", nil, "", true},
	} {
		got, err := resolve(t, c.list, c.known...)
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}
