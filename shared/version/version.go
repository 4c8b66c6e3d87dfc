// Package version names the release and the build of the running program.
//
// Commands show it, and every role reports it.
package version

import (
	"fmt"
	"runtime/debug"
	"strings"
)

// Number is the release that this source is, or is on its way to: the first heading of
// CHANGELOG.md. It stands here alone; deploy/debian/version reads this line.
const Number = "0.10.0"

// shownDigits is the length of a commit as people write it.
const shownDigits = 12

// Text returns the release, and the commit and Go's version where the build recorded them:
// "0.10.0 (commit 1f2e3d4c5b6a, go1.26.8)".
func Text() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Number
	}
	return text(info)
}

// text describes a build. A program that was built outside a checkout names no commit.
func text(info *debug.BuildInfo) string {
	recorded := map[string]string{}
	for _, setting := range info.Settings {
		recorded[setting.Key] = setting.Value
	}
	var about []string
	if commit := recorded["vcs.revision"]; commit != "" {
		commit = commit[:min(len(commit), shownDigits)]
		if recorded["vcs.modified"] == "true" {
			commit += " with changes"
		}
		about = append(about, "commit "+commit)
	}
	if info.GoVersion != "" {
		about = append(about, info.GoVersion)
	}
	if len(about) == 0 {
		return Number
	}
	return fmt.Sprintf("%s (%s)", Number, strings.Join(about, ", "))
}
