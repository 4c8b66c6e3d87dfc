// Package commands tests the built program thumbmill and its commands as users type them.
package commands
