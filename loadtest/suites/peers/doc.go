// Package peers has only a benchmark. It requests the same thumbnails from thumbmill and from the
// other servers that people choose, in turns on one machine, and measures the whole process tree of
// each. `make bench-peers` runs it.
package peers
