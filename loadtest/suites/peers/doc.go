// Package peers has no code: its benchmark sends the same misses to thumbmill and to servers
// that are chosen for the same purpose, in turns on the same machine.
package peers
