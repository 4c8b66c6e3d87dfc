// Package judge checks whether a thumbnail is right: against the known contents of its original, or
// against decoders other than thumbmill's.
package judge
