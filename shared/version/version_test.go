package version

import (
	"os"
	"regexp"
	"runtime/debug"
	"testing"
)

func TestText(t *testing.T) {
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	for name, c := range map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"a checkout":              {debug.BuildInfo{GoVersion: "go1.26.8", Settings: []debug.BuildSetting{commit, {Key: "vcs.modified", Value: "false"}}}, "0.10.0 (commit 0123456789ab, go1.26.8)"},
		"a checkout with changes": {debug.BuildInfo{GoVersion: "go1.26.8", Settings: []debug.BuildSetting{commit, {Key: "vcs.modified", Value: "true"}}}, "0.10.0 (commit 0123456789ab with changes, go1.26.8)"},
		"no checkout":             {debug.BuildInfo{GoVersion: "go1.26.8"}, "0.10.0 (go1.26.8)"},
		"nothing":                 {debug.BuildInfo{}, "0.10.0"},
	} {
		if got := text(&c.info); got != regexp.MustCompile(`^0\.10\.0`).ReplaceAllString(c.want, Number) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

var released = regexp.MustCompile(`(?m)^## (\S+)`)

// The newest version of CHANGELOG.md is the one that the source names.
func TestTheChangelogBeginsWithTheNumber(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	first := released.FindSubmatch(text)
	if first == nil || string(first[1]) != Number {
		t.Errorf("CHANGELOG.md begins with %q, and shared/version says %s: change the one that is wrong", first, Number)
	}
}
