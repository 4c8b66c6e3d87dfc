package failure

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/maypok86/otter/v2"
)

const (
	memcachedTimeout = 300 * time.Millisecond
	memcachedIdle    = 64 // connections a server, for as many requests at once
	localBound       = 100_000
)

// Memcached keeps the counts where all edges see them.
type Memcached struct{ client *memcache.Client }

// NewMemcached makes it; nothing is asked before the first call.
func NewMemcached(servers []string) *Memcached {
	client := memcache.New(servers...)
	client.Timeout, client.MaxIdleConns = memcachedTimeout, memcachedIdle
	return &Memcached{client}
}

// Add counts. Incrementing never refreshes a counter's life, and fails on one
// that is not there; adding fails on one that is.
func (m *Memcached) Add(_ context.Context, key string, life time.Duration) error {
	for range 3 {
		err := m.client.Add(&memcache.Item{Key: key, Value: []byte("1"), Expiration: int32(life.Seconds())})
		if !errors.Is(err, memcache.ErrNotStored) {
			return err
		}
		if _, err = m.client.Increment(key, 1); !errors.Is(err, memcache.ErrCacheMiss) {
			return err
		}
		// it expired between the two
	}
	return nil
}

// Get reads all keys at once. The one EOF that each idle connection gives after
// a restart of memcached is tried again.
func (m *Memcached) Get(_ context.Context, keys []string) (map[string]int, error) {
	var items map[string]*memcache.Item
	var err error
	for range 2 {
		if items, err = m.client.GetMulti(keys); err == nil {
			break
		}
	}
	counts := map[string]int{}
	for key, item := range items {
		counts[key] = atoi(item.Value)
	}
	return counts, err
}

func atoi(digits []byte) (n int) {
	for _, d := range digits {
		if d < '0' || d > '9' || n > 1<<30 {
			break // memcached pads a shrunken number with spaces
		}
		n = n*10 + int(d-'0')
	}
	return n
}

// Close closes idle connections.
func (m *Memcached) Close() error { return m.client.Close() }

// Local keeps the counts in this process: for one machine.
type Local struct {
	mu    sync.Mutex
	cache *otter.Cache[string, count]
}

type count struct {
	n     int
	until time.Time
}

// NewLocal makes it, bounded in entries.
func NewLocal() (*Local, error) {
	cache, err := otter.New(&otter.Options[string, count]{
		MaximumSize: localBound,
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, count]) time.Duration {
			return time.Until(e.Value.until)
		}),
		Executor: func(work func()) { work() },
	})
	return &Local{cache: cache}, err
}

// Add counts.
func (l *Local) Add(_ context.Context, key string, life time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.cache.GetIfPresent(key)
	if !ok {
		c.until = time.Now().Add(life)
	}
	c.n++
	l.cache.Set(key, c)
	return nil
}

// Get reads.
func (l *Local) Get(_ context.Context, keys []string) (map[string]int, error) {
	counts := map[string]int{}
	for _, key := range keys {
		if c, ok := l.cache.GetIfPresent(key); ok {
			counts[key] = c.n
		}
	}
	return counts, nil
}

// Close ends what runs in the background.
func (l *Local) Close() error { l.cache.StopAllGoroutines(); return nil }
