package failure

import (
	"context"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/thumbmill/thumbmill/shared/cache"
)

const localBound = 100_000 // entries

// Local keeps the counts in this process, for a cluster on one machine. Its methods are safe for
// concurrent use.
type Local struct {
	mu    sync.Mutex
	cache cache.Cache[string, entry]
}

type entry struct {
	n     int
	value []byte
	until time.Time
}

// NewLocal returns a Local with at most localBound entries.
func NewLocal() (*Local, error) {
	cache, err := otter.New(&otter.Options[string, entry]{
		MaximumSize: localBound,
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, entry]) time.Duration {
			return time.Until(e.Value.until)
		}),
		Executor: cache.InCaller,
	})
	return &Local{cache: cache}, err
}

// Add adds one to the count of a key.
func (l *Local) Add(_ context.Context, key string, life time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.cache.GetIfPresent(key)
	if !ok {
		e.until = time.Now().Add(life)
	}
	e.n++
	l.cache.Set(key, e)
	return nil
}

// Counts returns the counts of the keys that have a count.
func (l *Local) Counts(_ context.Context, keys []string) (map[string]int, error) {
	counts := map[string]int{}
	for _, key := range keys {
		if e, ok := l.cache.GetIfPresent(key); ok {
			counts[key] = e.n
		}
	}
	return counts, nil
}

// Values returns the values of the keys that have a value.
func (l *Local) Values(_ context.Context, keys []string) (map[string][]byte, error) {
	values := map[string][]byte{}
	for _, key := range keys {
		if e, ok := l.cache.GetIfPresent(key); ok {
			values[key] = e.value
		}
	}
	return values, nil
}

// Edit replaces a value by the result of change.
func (l *Local) Edit(_ context.Context, key string, life time.Duration, change func([]byte) []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, _ := l.cache.GetIfPresent(key)
	l.cache.Set(key, entry{value: change(e.value), until: time.Now().Add(life)})
	return nil
}

// Delete deletes keys.
func (l *Local) Delete(_ context.Context, keys []string) error {
	for _, key := range keys {
		l.cache.Invalidate(key)
	}
	return nil
}

// Close stops the cache's goroutines.
func (l *Local) Close() error { l.cache.StopAllGoroutines(); return nil }
