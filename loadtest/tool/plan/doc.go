// Package plan computes how many renderers a site needs, from a profile of its requests and their
// durations. Closed forms give a first guess, a simulation of thumbmill's own rules gives the
// answer.
package plan
