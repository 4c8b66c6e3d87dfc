package obtain

import (
	"context"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// convoys holds the flights that need the same places: flights of one client (clients that per-ip
// does not count are one client here), one original and one lane. Only the first flight of a convoy
// stands in the coordinator's lines. The others wait behind it, and the edge offers each of them a
// ride with its job (rides). As many sizes of an original as a renderer takes at once therefore take
// one place of a lane's line. All flights of a convoy need the same places, so no flight suffers
// from another client's limits.
type convoys struct {
	mu   sync.Mutex
	open map[needs]*convoy
	// within is the time that a flight waits behind another before it stands in line itself. It is
	// longer than any wait in line, so only a first flight that waits for another edge's render of
	// its thumbnail outlasts it.
	within time.Duration
}

func newConvoys(within time.Duration) *convoys {
	return &convoys{open: map[needs]*convoy{}, within: within}
}

// needs has the places that a flight takes, and the version of its original. Flights with equal
// needs wait for the same places.
type needs struct {
	places  throttle.Request
	version string
}

func needsOf(w work) needs {
	places := w.admission().Flight
	if places.Exempt {
		places.Client = ""
	}
	return needs{places, w.version}
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
func (on *convoys) join(w work, most int) (c *convoy, first bool) {
	if most < 2 || !w.shared() {
		return nil, true
	}
	on.mu.Lock()
	defer on.mu.Unlock()
	n := needsOf(w)
	if c = on.open[n]; c != nil && c.size < most {
		c.size++
		return c, false
	}
	c = &convoy{of: on, needs: n, size: 1, over: make(chan struct{})}
	on.open[n] = c
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
		c.of.mu.Unlock()
		if refusal != nil && fault.Of(refusal).Throttle != "" {
			c.refusal = refusal
		}
		close(c.over)
	})
}

// ask asks for a flight's places, alone or behind another flight.
func (on *admitting) ask(ctx context.Context, w work) grant {
	p := on.rides.wait(w)
	defer on.rides.leave(p)
	behind := time.NewTimer(on.convoys.within)
	defer behind.Stop()
	for {
		c, first := on.convoys.join(w, on.fleet.Batch())
		if first {
			return on.leadConvoy(ctx, w, p, c)
		}
		if g, over := on.follow(ctx, w, p, c, behind.C); over {
			return g
		}
	}
}

// leadConvoy stands in line for a convoy. When the coordinator grants the places, the convoy lasts
// until the flight's job is published.
func (on *admitting) leadConvoy(ctx context.Context, w work, p *passenger, c *convoy) grant {
	g := on.standInLine(ctx, w, p)
	if g.lease != nil && g.ticket == nil {
		g.convoy = c
	} else {
		c.end(g.refusal)
	}
	return g
}

// countRefusal counts the refusal of a flight whose convoy a throttle refused. The coordinator counts it only
// if it concerns the client: the lane turned one job away, with all that would have ridden with it.
func (on *admitting) countRefusal(w work, refusal error) {
	switch by := throttle.Name(fault.Of(refusal).Throttle); by {
	case throttle.PerIP:
		on.admitter.admitter.TurnAway(w.admission(), reasonOf(refusal))
	default:
		on.admitter.admitter.CountRefusal(by)
	}
}

// follow waits behind the first flight of a convoy. over is false when the flight must join another
// convoy.
func (on *admitting) follow(ctx context.Context, w work, p *passenger, c *convoy, late <-chan time.Time) (g grant, over bool) {
	for {
		select {
		case t := <-p.offers:
			if g, ok := on.board(ctx, w, p, t); ok {
				return g, true
			}
		case <-c.over:
			if c.refusal == nil {
				return g, false
			}
			on.countRefusal(w, c.refusal)
			return grant{refusal: c.refusal}, true
		case <-late:
			return on.standInLine(ctx, w, p), true
		case <-ctx.Done():
			return grant{refusal: ctx.Err()}, true
		}
	}
}
