package failure

import (
	"context"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Guarded puts a circuit breaker around counters: a memcached that does not
// answer costs a few timeouts and then, for a second at a time, nothing.
type Guarded struct {
	Counters
	Breaker *gobreaker.CircuitBreaker[map[string]int]
}

// Guard makes it.
func Guard(c Counters, log *slog.Logger) *Guarded {
	return &Guarded{c, gobreaker.NewCircuitBreaker[map[string]int](gobreaker.Settings{
		Name: "failure-memory", Timeout: time.Second,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 3 },
		OnStateChange: func(name string, from, to gobreaker.State) {
			log.Warn("circuit breaker", "name", name, "from", from.String(), "to", to.String())
		},
	})}
}

// Add counts, unless the breaker is open.
func (g *Guarded) Add(ctx context.Context, key string, life time.Duration) error {
	_, err := g.Breaker.Execute(func() (map[string]int, error) { return nil, g.Counters.Add(ctx, key, life) })
	return err
}

// Get reads, unless the breaker is open.
func (g *Guarded) Get(ctx context.Context, keys []string) (map[string]int, error) {
	return g.Breaker.Execute(func() (map[string]int, error) { return g.Counters.Get(ctx, keys) })
}
