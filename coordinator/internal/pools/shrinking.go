package pools

import "maps"

// shrinking is a map that gives memory back. Go's maps keep the room of their fullest time, and a table
// lives for months after its worst minute.
type shrinking[K comparable, V any] struct {
	entries map[K]V
	fullest int
}

// small is the size up to which a map is not worth a copy.
const small = 4096

func newShrinking[K comparable, V any]() shrinking[K, V] {
	return shrinking[K, V]{entries: map[K]V{}}
}

func (m *shrinking[K, V]) set(k K, v V) {
	m.entries[k] = v
	m.fullest = max(m.fullest, len(m.entries))
}

func (m *shrinking[K, V]) delete(k K) {
	delete(m.entries, k)
	if m.fullest > small && len(m.entries) < m.fullest/8 {
		fewer := make(map[K]V, len(m.entries))
		maps.Copy(fewer, m.entries)
		m.entries, m.fullest = fewer, len(fewer)
	}
}
