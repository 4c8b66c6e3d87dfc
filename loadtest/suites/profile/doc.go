// Package profile has only a benchmark. It drives misses through `thumbmill serve`, and prints the
// cost of a miss outside of the workers: processor time by package, allocations, system calls.
// `make profile` runs it.
package profile
