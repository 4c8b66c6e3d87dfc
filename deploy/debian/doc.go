// Package debian has no code: its tests build the Debian packages, install them, run what
// their units say, upgrade and remove them.
package debian
