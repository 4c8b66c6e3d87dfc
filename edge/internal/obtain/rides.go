package obtain

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// boardWithin is how long a flight that is offered a ride may take to get its other places.
	boardWithin = 25 * time.Millisecond
	// departAfter is how long a job waits for those that come along.
	departAfter = 2 * boardWithin
)

// rides brings flights that wait for a place of their lane together with one of the same
// original that was granted one: they come along with its job, and take no place of the lane.
// All their other places they take themselves.
type rides struct {
	mu      sync.Mutex
	waiting map[kin][]*passenger
}

func newRides() *rides { return &rides{waiting: map[kin][]*passenger{}} }

// kin is what flights have in common that can come along with each other.
type kin struct {
	original thumbnail.Location
	version  string
	lane     renderjob.Lane
}

func (w work) kin() kin { return kin{w.request.Target.Spec.Original, w.version, w.lane} }

// passenger is a flight that waits for its places.
type passenger struct {
	kin    kin
	offers chan *ticket // one place
}

// ticket is one flight's on a ride.
type ticket struct {
	ride *ride
	once sync.Once
}

// ride is a job that is about to be published.
type ride struct {
	mu      sync.Mutex
	pending int // flights that were offered it and did not answer
	gone    bool
	held    []Job
	ready   chan struct{} // closed when none is pending
}

// wait notes a flight as one that can be offered rides.
func (on *rides) wait(w work) *passenger {
	p := &passenger{kin: w.kin(), offers: make(chan *ticket, 1)}
	if lanes.Shared(w.request.Target.Spec) {
		on.again(p)
	}
	return p
}

// again lets a flight that could not come along be offered another ride.
func (on *rides) again(p *passenger) {
	on.mu.Lock()
	defer on.mu.Unlock()
	on.waiting[p.kin] = append(on.waiting[p.kin], p)
}

// leave ends a flight's waiting.
func (on *rides) leave(p *passenger) {
	on.mu.Lock()
	on.waiting[p.kin] = slices.DeleteFunc(on.waiting[p.kin], func(other *passenger) bool { return other == p })
	if len(on.waiting[p.kin]) == 0 {
		delete(on.waiting, p.kin)
	}
	on.mu.Unlock()
	select {
	case t := <-p.offers:
		t.decline()
	default:
	}
}

// offer offers a ride to as many flights, those that wait longest first.
func (on *rides) offer(w work, most int) *ride {
	r, offered := &ride{ready: make(chan struct{})}, 0
	on.mu.Lock()
	defer on.mu.Unlock()
	if lanes.Shared(w.request.Target.Spec) {
		all := on.waiting[w.kin()]
		offered = min(len(all), max(0, most))
		r.pending = offered
		for _, p := range all[:offered] {
			p.offers <- &ticket{ride: r} // which may be answered at once
		}
		on.waiting[w.kin()] = slices.Clone(all[offered:])
	}
	if len(on.waiting[w.kin()]) == 0 {
		delete(on.waiting, w.kin())
	}
	if offered == 0 {
		close(r.ready)
	}
	return r
}

// depart waits for those that come along, and gives their jobs. It waits for none of them long.
func (r *ride) depart() []Job {
	late := time.NewTimer(departAfter)
	defer late.Stop()
	select {
	case <-r.ready:
	case <-late.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = true
	return r.held
}

// board puts a job that is held on the ride. A job that comes too late goes its own way.
func (t *ticket) board(j Job) { t.once.Do(func() { t.ride.answer(j) }) }

// decline says that the flight does not come along, unless it boarded. It may be called for no
// ticket.
func (t *ticket) decline() {
	if t != nil {
		t.once.Do(func() { t.ride.answer(nil) })
	}
}

func (r *ride) answer(j Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case j != nil && r.gone:
		j.Release()
	case j != nil:
		r.held = append(r.held, j)
	}
	if r.pending--; r.pending == 0 {
		close(r.ready)
	}
}

// standInLine asks for all places of a flight, and takes a ride where one is offered meanwhile.
func (on *admitting) standInLine(ctx context.Context, w work, p *passenger) grant {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan grant, 1)
	go func() {
		var g grant
		g.lease, g.done, g.refusal = on.admitter.Admit(ctx, w.admission())
		answers <- g
	}()
	for {
		select {
		case g := <-answers:
			return g
		case t := <-p.offers:
			if g, ok := on.board(ctx, w, p, t); ok {
				cancel()
				(<-answers).giveBack()
				return g
			}
		}
	}
}

// board takes an offered ride. When the flight cannot ride, it may get other offers.
func (on *admitting) board(ctx context.Context, w work, p *passenger, t *ticket) (g grant, ok bool) {
	if g, ok = on.comeAlong(ctx, w, t); !ok {
		t.decline()
		on.rides.again(p)
	}
	return g, ok
}

// comeAlong asks for a flight's places beside its lane's, which must be free.
func (on *admitting) comeAlong(ctx context.Context, w work, t *ticket) (g grant, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, boardWithin)
	defer cancel()
	r := w.admission()
	r.Flight.Rides = true
	l, done, err := on.admitter.admitter.Admit(ctx, r)
	return grant{lease: l, ticket: t}, err == nil && !done
}

// giveBack gives back what was granted and is not needed.
func (g grant) giveBack() {
	if g.lease != nil {
		g.lease.Release(admission.Outcome{})
	}
}
