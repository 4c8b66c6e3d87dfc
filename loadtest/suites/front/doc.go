// Package front has no code: its tests run the nginx and the Varnish that deploy has before
// edges that answer as they are told to, and hold both to the same.
package front
