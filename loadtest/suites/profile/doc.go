// Package profile has no code: its benchmark drives misses through `thumbmill serve` and shows
// what each costs outside of the workers: processor time by package, allocations, system calls.
// `make profile` runs it.
package profile
