// Package cost learns what originals of expensive types cost to render: a decaying
// mean of the times of renders, for each type and class of size. A huge TIFF then
// takes several places of its type's pool, and a small PDF one.
package cost

import (
	"math/bits"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// weight of the newest render in the mean: the last ten make up two thirds of it.
const weight = 0.1

// Book keeps the means. The zero value is ready.
type Book struct {
	mu    sync.Mutex
	means map[class]time.Duration
}

// class is a type and a power of four of bytes: renders of one class take times
// of one order.
type class struct {
	of   thumbnail.Type
	size int
}

func classOf(of thumbnail.Type, bytes int64) class {
	return class{of, bits.Len64(uint64(max(bytes, 0))) / 2}
}

// Note takes the time of one render of an original of so many bytes.
func (b *Book) Note(of thumbnail.Type, bytes int64, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.means == nil {
		b.means = map[class]time.Duration{}
	}
	c := classOf(of, bytes)
	mean, known := b.means[c]
	if !known {
		mean = took
	}
	b.means[c] = mean + time.Duration(weight*float64(took-mean))
}

// Places is how many places of a pool such an original takes, where a place stands
// for so much time: one when nothing is known, and at most half of the pool's
// workers, so that no original has a type for itself.
func (b *Book) Places(of thumbnail.Type, bytes int64, place time.Duration, workers int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	places := int((b.means[classOf(of, bytes)] + place/2) / place)
	return max(1, min(places, workers/2))
}
