// Package peers has no code: its benchmark asks thumbmill and the servers that people choose
// for the same purpose for the same thumbnails, in turns on one machine, and measures each
// one's whole process tree. `make bench-peers` runs it.
package peers
