// Package cost estimates the processor time of renders. Book learns a decaying mean for each type and class of size of
// expensive originals: a huge TIFF then takes several places of its type's pool, and a small PDF takes one. Rates
// estimates renders of all other originals from their specs, and learns each format's rate. Edges estimate before the
// original is read, renderers when they know its sides.
package cost

import (
	"math/bits"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// weight is the weight of the newest render in the mean. The last ten renders make up two thirds
// of the mean.
const weight = 0.1

// Book keeps the means. The zero value is ready. Its methods are safe for concurrent use.
type Book struct {
	mu    sync.Mutex
	means map[class]time.Duration
}

// class is a type and a power of four of bytes. Renders of one class take times of one order.
type class struct {
	of   thumbnail.Type
	size int
}

func classOf(of thumbnail.Type, bytes int64) class {
	return class{of, bits.Len64(uint64(max(bytes, 0))) / 2}
}

// Note adds the processor time of one render of an original with a type and a size in bytes.
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

// Places returns the places that an original of a type and a size in bytes takes of its type's
// pool. place is the time that one place stands for. The result is 1 for an unknown class, and at
// most half of the pool's workers, so that no original takes all places of its type.
func (b *Book) Places(of thumbnail.Type, bytes int64, place time.Duration, workers int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return lanes.AtMostHalf(lanes.Weight(b.means[classOf(of, bytes)], place), workers)
}
