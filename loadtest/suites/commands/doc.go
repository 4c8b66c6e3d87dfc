// Package commands tests what users type: thumbmill and its commands, as the binary that
// is built of the root package.
package commands
