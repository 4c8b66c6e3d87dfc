// Package places gets the places in which a flight renders:
//
//	join a convoy → (its first flight:) the client's line → while the queue stalls, ask again → admission
//
// Flights behind the first one of a convoy ride with its job: rides.go. The path of a request
// enters this package twice: Get asks for the places, and Grant.Publish publishes the job that uses them.
package places

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// Config has the settings and the collaborators of Places.
type Config struct {
	Settings settings.Settings
	Admitter Admitter
	PerIP    func(client string) settings.Pool // the limits of a client now, operators' directives included
	Queue    Queue
	Backlog  Backlog
	Fleet    Fleet
}

// Admitter decides whether a flight may render now; package admission implements it.
type Admitter interface {
	admitter
	CountRefusal(by throttle.Name)
	// RefuseFull returns the fault of a refusal if the flight's lane is full, and counts it. If asks, the flight asks
	// next, unless it is refused.
	RefuseFull(r admission.Request, asks bool) error
	// TurnAway counts a refusal by per-ip that this edge decided: lease.Full or lease.TimedOut.
	TurnAway(r admission.Request, why lease.Reason)
}

// admitter asks for a flight's places. lines, patient and package admission are a chain of admitters.
type admitter interface {
	Admit(ctx context.Context, r admission.Request) (l admission.Lease, done bool, err error)
}

// Queue publishes jobs; package dispatch implements it.
type Queue interface {
	// Publish publishes a job. The jobs in held ride with it.
	Publish(ctx context.Context, job renderjob.Job, held ...Job) (Job, error)
	// Hold opens a job without publishing it. The job rides with another, or Release publishes it.
	Hold(ctx context.Context, job renderjob.Job) Job
	// Electing reports whether the queue takes no jobs because its servers may elect a leader.
	Electing() bool
	// Unstarted returns the age of this edge's oldest job in the lane that no renderer has begun.
	Unstarted(lane renderjob.Lane) time.Duration
}

// Job is a published or held job, until its end.
type Job interface {
	Results() <-chan renderjob.Result
	Reconnected() <-chan struct{}
	Restore(ctx context.Context) error
	Recall(ctx context.Context) bool
	// Release publishes a held job by itself.
	Release()
	Close()
}

// Backlog watches the waiting jobs of all edges; package backlog implements it.
type Backlog interface {
	Stalls(lane renderjob.Lane, longer time.Duration) bool
}

// Fleet knows the renderers that live; package fleet implements it.
type Fleet interface {
	Idle() bool
	// Batch is the number of jobs of one original that every living renderer takes at once, at least 1.
	Batch() int
}

// Need describes a flight that needs places.
type Need struct {
	Request admission.Request
	Version string // of the original
	// Shared says that renders of the same original can share the fetch and the decode with this one
	// (lanes.Shared).
	Shared bool
}

// Places gets the places of flights. Its methods are safe for concurrent use.
type Places struct {
	admitter Admitter
	stall    stall
	line     *lines // asks admitter when it is the flight's turn
	convoys  *convoys
	rides    *rides
	queue    Queue
	fleet    Fleet
}

// New returns the places of an edge's flights.
func New(c Config) *Places {
	patient := patient{c.Admitter, stall{c.Queue, c.Backlog, c.Fleet}}
	return &Places{
		admitter: c.Admitter, stall: patient.stall, line: newLines(c, patient), rides: newRides(), queue: c.Queue, fleet: c.Fleet,
		convoys: newConvoys(longestWait(c.Settings) + boardWithin),
	}
}

// RefuseFull refuses a flight whose client's line or whose lane is full, before anything else is asked for it. If asks, the
// flight asks next, unless it is refused: the place that it found is kept for it for a moment. A lane that is full only
// because the queue stalls refuses nothing.
func (on *Places) RefuseFull(n Need, asks bool) error {
	stands := !on.convoys.has(n)
	if stands {
		if err := on.line.refuseFull(n.Request); err != nil {
			return err
		}
	}
	if !on.stall.isOfQueue() {
		if err := on.admitter.RefuseFull(n.Request, asks); err != nil {
			return err
		}
	}
	if stands && asks {
		on.line.expect(n.Request)
	}
	return nil
}

// Get asks for a flight's places, alone or behind another flight. The caller closes the grant.
func (on *Places) Get(ctx context.Context, n Need) Grant {
	p := on.rides.wait(n)
	defer on.rides.leave(p)
	behind := time.NewTimer(on.convoys.within)
	defer behind.Stop()
	for {
		c, first := on.convoys.join(n, on.fleet.Batch())
		if first {
			return on.standInLine(ctx, n, p, c)
		}
		if g, over := on.follow(ctx, n, p, c, behind.C); over {
			return g
		}
	}
}

// standInLine asks for all places of a flight, and takes a ride that is offered meanwhile. c is the convoy that the
// flight leads, or nil. When the flight gets the places, the convoy lasts until the flight's job is published.
func (on *Places) standInLine(ctx context.Context, n Need, p *passenger, c *convoy) Grant {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan Grant, 1)
	go func() { answers <- on.askLine(ctx, n, c) }()
	for {
		select {
		case g := <-answers:
			if g.Lease == nil {
				c.end(g.Refusal)
			}
			return g
		case t := <-p.offers:
			if g, ok := on.board(ctx, n, p, t); ok {
				c.end(nil)
				cancel()
				(<-answers).giveBack()
				return g
			}
		}
	}
}

func (on *Places) askLine(ctx context.Context, n Need, c *convoy) (g Grant) {
	if g.Lease, g.Done, g.Refusal = on.line.Admit(ctx, n.Request); g.Lease != nil {
		g.way = driver{on, n, c}
	}
	return g
}

// follow waits behind the first flight of a convoy. over is false when the flight must join another
// convoy.
func (on *Places) follow(ctx context.Context, n Need, p *passenger, c *convoy, late <-chan time.Time) (g Grant, over bool) {
	for {
		select {
		case t := <-p.offers:
			if g, ok := on.board(ctx, n, p, t); ok {
				return g, true
			}
		case <-c.over:
			if c.refusal == nil {
				return g, false
			}
			on.countRefusal(n, c.refusal)
			return Grant{Refusal: c.refusal}, true
		case <-late:
			return on.standInLine(ctx, n, p, nil), true
		case <-ctx.Done():
			return Grant{Refusal: ctx.Err()}, true
		}
	}
}

// countRefusal counts the refusal of a flight whose convoy a throttle refused. The coordinator counts it only
// if it concerns the client: the lane turned one job away, with all that would have ridden with it.
func (on *Places) countRefusal(n Need, refusal error) {
	switch by := throttle.Name(fault.Of(refusal).Throttle); by {
	case throttle.PerIP:
		on.admitter.TurnAway(n.Request, reasonOf(refusal))
	default:
		on.admitter.CountRefusal(by)
	}
}

// board takes an offered ride. When the flight cannot ride, it may get other offers. ok is false unless all
// places of the flight, except its lane's and its client's, are free at once.
func (on *Places) board(ctx context.Context, n Need, p *passenger, t *ticket) (g Grant, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, boardWithin)
	defer cancel()
	r := n.Request
	r.Flight.Rides = true
	l, done, err := on.admitter.Admit(ctx, r)
	if err != nil || done {
		t.decline()
		on.rides.again(p)
		return g, false
	}
	return Grant{Lease: l, way: rider{on.queue, t}}, true
}

// longestWait bounds the wait of a flight in its client's line and then at the coordinator.
func longestWait(s settings.Settings) time.Duration {
	behind := s.Deadline().Behind() // a slow flight also waits so long at the coordinator
	return behind + max(s.Throttle.QueueWait, behind)
}
