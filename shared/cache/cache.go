// Package cache says what a cache in memory does, so that only the package that makes a
// cache compiles otter's generic code: about a thousand functions for each pair of types.
// A field of otter's own type passes them on to every package that sees the field's struct.
package cache

// Cache is an *otter.Cache. It is safe for concurrent use.
type Cache[K comparable, V any] interface {
	// GetIfPresent returns the value of a key and counts the use.
	GetIfPresent(key K) (V, bool)
	// Set stores a value. It returns the value of the key afterwards, and whether the key is new.
	Set(key K, value V) (V, bool)
	// SetIfAbsent stores a value unless the key has one. It returns the value of the key
	// afterwards, and whether the key is new.
	SetIfAbsent(key K, value V) (V, bool)
	// Invalidate deletes a key. It returns the value that the key had.
	Invalidate(key K) (V, bool)
	// InvalidateAll deletes every key.
	InvalidateAll()
	// CleanUp does the work that is due: it deletes entries that expired or do not fit.
	CleanUp()
	// StopAllGoroutines ends the cache. It returns whether it was running.
	StopAllGoroutines() bool
}

// InCaller is an executor that does a cache's work in the goroutine of its caller, so that
// no goroutine outlives the cache.
func InCaller(work func()) { work() }
