// Package version names the build of the running program.
//
// Commands show it, and every role tells it of itself.
package version

import "runtime/debug"

// Text is the module's version, and the revision where it is known.
func Text() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			version += " " + setting.Value
		}
	}
	return version
}
