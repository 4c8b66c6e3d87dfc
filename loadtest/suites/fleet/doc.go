// Package fleet measures the costs of each role of a large fleet: misses and hits for a core of processor time, bytes and
// connections, from 1 to 32 renderers whose renders sleep for recorded times; and the costs of heartbeats and of looks at
// the queue. `make bench-fleet` prints the tables, and writes the costs for `loadtest fleet`.
//
// The renderers run in a process of their own: each is the whole role but for its workers. Processor time comes from
// /proc, so that other work on the machine bends the figures little.
package fleet
