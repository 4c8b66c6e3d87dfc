// Package reference has only tests. They compare docs/reference.md with the help that the programs
// print, with the metrics that the roles register, and with the HTTP headers in the edge's source.
package reference

//go:generate go test -count 1 -run TestThePageIsTheProgram . -args -write
