package places

import (
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// convoys holds the flights that need the same places: flights of one client (clients that per-ip
// does not count are one client here), one original and one lane. Only the first flight of a convoy
// stands in the coordinator's lines. The others wait behind it, and the edge offers each of them a
// ride with its job (rides). As many sizes of an original as a renderer takes at once therefore take
// one place of a lane's line. All flights of a convoy need the same places, so no flight suffers
// from another client's limits.
type convoys struct {
	mu     sync.Mutex
	open   map[needs]*convoy
	visits map[visit]int // the convoys that are not over
	// within is the time that a flight waits behind another before it stands in line itself. It is
	// longer than any wait in line, so only a first flight that waits for another edge's render of
	// its thumbnail outlasts it.
	within time.Duration
}

func newConvoys(within time.Duration) *convoys {
	return &convoys{open: map[needs]*convoy{}, visits: map[visit]int{}, within: within}
}

// visit is a client's flights for sizes of one original.
type visit struct {
	client   string
	original thumbnail.Location
}

func (n needs) visit() visit { return visit{n.places.Client, n.places.Original} }

// has reports whether a flight may join a convoy instead of standing in line.
func (on *convoys) has(n Need) bool {
	on.mu.Lock()
	defer on.mu.Unlock()
	return on.visits[needsOf(n).visit()] > 0
}

// needs has the places that a flight takes, and the version of its original. Flights with equal
// needs wait for the same places.
type needs struct {
	places  throttle.Request
	version string
}

func needsOf(n Need) needs {
	places := n.Request.Flight
	if places.Exempt {
		places.Client = ""
	}
	return needs{places, n.Version}
}

// convoy is a first flight, which stands in line, and the flights that wait behind it. A flight
// that waits alone has no convoy: nil.
type convoy struct {
	of      *convoys
	needs   needs
	size    int
	once    sync.Once
	over    chan struct{}
	refusal error // refuses all flights; set before over is closed
}

// join returns a flight's convoy, and whether the flight is the first of the convoy. A convoy has at
// most `most` flights; the next flight begins another convoy.
func (on *convoys) join(n Need, most int) (c *convoy, first bool) {
	if most < 2 || !n.Shared {
		return nil, true
	}
	on.mu.Lock()
	defer on.mu.Unlock()
	of := needsOf(n)
	if c = on.open[of]; c != nil && c.size < most {
		c.size++
		return c, false
	}
	c = &convoy{of: on, needs: of, size: 1, over: make(chan struct{})}
	on.open[of] = c
	on.visits[of.visit()]++
	return c, true
}

// end releases the flights behind the first. When a throttle refused the first flight, the refusal
// holds for all of them; otherwise one of them is the first flight of the next convoy.
func (c *convoy) end(refusal error) {
	if c == nil {
		return
	}
	c.once.Do(func() {
		c.of.mu.Lock()
		if c.of.open[c.needs] == c {
			delete(c.of.open, c.needs)
		}
		if v := c.needs.visit(); c.of.visits[v] > 1 {
			c.of.visits[v]--
		} else {
			delete(c.of.visits, v)
		}
		c.of.mu.Unlock()
		if refusal != nil && fault.Of(refusal).Throttle != "" {
			c.refusal = refusal
		}
		close(c.over)
	})
}
