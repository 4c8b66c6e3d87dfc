// Package docs has no code: its tests run the commands that the documentation shows, read the
// settings in it, and follow its links.
package docs
