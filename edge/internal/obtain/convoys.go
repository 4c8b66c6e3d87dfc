package obtain

import (
	"context"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// convoys have one flight stand in the coordinator's lines for several: those that need the same
// places, since they are of one client (or of clients that per-ip does not count), one original
// and one lane. The others wait behind it, and are offered a ride with its job (rides). So as many
// sizes of an original as a renderer does at once take one place of a lane's line. Whatever the
// first waits for, the others would wait for too: nobody is held up by another's limits.
type convoys struct {
	mu   sync.Mutex
	open map[needs]*convoy
	// within is how long a flight waits behind another before it stands in line itself: longer
	// than the line lets anybody wait, so that only a first flight that waits for another edge's
	// render of its thumbnail is left.
	within time.Duration
}

func newConvoys(within time.Duration) *convoys {
	return &convoys{open: map[needs]*convoy{}, within: within}
}

// needs are the places that a flight takes, and the version of the original: flights that have
// these in common wait for the same.
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

// convoy is flights of which the first stands in line. Nil is of a flight that has no others.
type convoy struct {
	of      *convoys
	needs   needs
	size    int
	once    sync.Once
	over    chan struct{}
	refusal error // of all; set before over is closed
}

// join gives a flight's convoy, and whether the flight is its first. There are at most so many in
// one; the next begins another.
func (on *convoys) join(w work, most int) (c *convoy, first bool) {
	if most < 2 || !lanes.Shared(w.request.Target.Spec) {
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

// end lets those that wait behind the first go on: one of them is first now, unless the first was
// refused by a throttle. That would refuse them as well.
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

// leadConvoy stands in line for a convoy. Where it was granted its places, the convoy ends with
// the publishing of its job.
func (on *admitting) leadConvoy(ctx context.Context, w work, p *passenger, c *convoy) grant {
	g := on.standInLine(ctx, w, p)
	if g.lease != nil && g.ticket == nil {
		g.convoy = c
	} else {
		c.end(g.refusal)
	}
	return g
}

// follow waits behind the first of a convoy. It is not over when another is first now.
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
			on.admitter.admitter.CountRefusal(throttle.Name(fault.Of(c.refusal).Throttle))
			return grant{refusal: c.refusal}, true
		case <-late:
			return on.standInLine(ctx, w, p), true
		case <-ctx.Done():
			return grant{refusal: ctx.Err()}, true
		}
	}
}
