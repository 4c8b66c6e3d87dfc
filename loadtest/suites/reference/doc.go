// Package reference has no code: its tests compare docs/reference.md with the programs, which
// print their commands, with the metrics that the roles register, and with the HTTP headers in
// the edge's source.
package reference

//go:generate go test -count 1 -run TestThePageIsTheProgram . -args -write
