// Package breaker makes circuit breakers that log when they open and close.
//
// The edge puts them around the queue and memcached, edge and renderer around object
// stores.
package breaker

import (
	"log/slog"

	"github.com/sony/gobreaker/v2"
)

// New makes a circuit breaker of these settings, whose OnStateChange it sets. The log says
// its name and what it was and is: closed, open or half-open.
func New[T any](s gobreaker.Settings, log *slog.Logger) *gobreaker.CircuitBreaker[T] {
	s.OnStateChange = func(name string, from, to gobreaker.State) {
		log.Warn("circuit breaker changes", "name", name, "from", from.String(), "to", to.String())
	}
	return gobreaker.NewCircuitBreaker[T](s)
}

// Consecutive trips a breaker after so many failures in a row.
func Consecutive(failures uint32) func(gobreaker.Counts) bool {
	return func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failures }
}
