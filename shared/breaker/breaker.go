// Package breaker creates circuit breakers that log when they open and close. They guard the
// queue, memcached and object stores.
package breaker

import (
	"log/slog"

	"github.com/sony/gobreaker/v2"
)

// New returns a circuit breaker with these settings. It sets OnStateChange, which logs the name
// and the two states: closed, open or half-open.
func New[T any](s gobreaker.Settings, log *slog.Logger) *gobreaker.CircuitBreaker[T] {
	s.OnStateChange = func(name string, from, to gobreaker.State) {
		log.Warn("change circuit breaker", "name", name, "from", from.String(), "to", to.String())
	}
	return gobreaker.NewCircuitBreaker[T](s)
}

// Consecutive returns a ReadyToTrip that opens a breaker after so many failures in a row.
func Consecutive(failures uint32) func(gobreaker.Counts) bool {
	return func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failures }
}
