package edge

import (
	"runtime/metrics"

	"github.com/thumbmill/thumbmill/shared/footprint"
)

const (
	// ballastSize is a number of bytes that the edge allocates and does not use; it gives their memory back. They let
	// as much more garbage gather before a collection: the heap of an edge is small, and hits would cause fifty
	// collections a second. A larger ballast costs more than it saves, because the first touch of memory costs a page
	// fault, and touched memory stays.
	ballastSize = 16 << 20
	// often is the number of collections in a second from which the ballast saves more time than its garbage is worth
	// in memory. A renderer's misses cause about two.
	often = 10
	// seldom is the number of collections in a second, with the ballast, up to which it is not needed.
	seldom = 1
	// calm is the number of such seconds after which the edge drops the ballast.
	calm = 10
)

// ballast is memory that exists while collections are frequent.
type ballast struct {
	memory  []byte
	before  uint64 // collections so far
	seconds int    // with few collections
}

// weigh adds or drops the ballast, by the number of collections one second after the last call.
func (b *ballast) weigh(total uint64) {
	fresh := total - b.before
	b.before = total
	if b.memory == nil && fresh >= often {
		b.memory = make([]byte, ballastSize)
		footprint.Untouch(b.memory) // Go may have taken used memory, and cleared it
	}
	if fresh > seldom {
		b.seconds = 0
		return
	}
	if b.seconds++; b.seconds >= calm {
		b.memory = nil
	}
}

// collections returns the number of collections of garbage in this process.
func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
