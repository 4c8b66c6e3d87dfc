package places

import (
	"slices"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// boardWithin bounds the time in which a flight with an offer asks for its other places.
	boardWithin = 25 * time.Millisecond
	// departAfter bounds the time that a job waits for the flights that ride with it.
	departAfter = 2 * boardWithin
)

// rides has the flights that wait for places. When a flight is granted its places, waiting flights
// of the same original, version and lane can ride with its job. A flight that rides takes its other
// places, and no place of the lane or of its client: all flights of a ride use one slot.
type rides struct {
	mu      sync.Mutex
	waiting map[kin][]*passenger
}

func newRides() *rides { return &rides{waiting: map[kin][]*passenger{}} }

// kin identifies the flights that can ride with each other.
type kin struct {
	original thumbnail.Location
	version  string
	lane     renderjob.Lane
	slow     bool
}

func (n Need) kin() kin {
	return kin{n.Request.Flight.Original, n.Version, n.Request.Flight.Lane, n.Request.Flight.Slow}
}

// passenger is a flight that waits for its places.
type passenger struct {
	kin    kin
	offers chan *ticket // has room for one
}

// ticket is the offer of a ride to one flight.
type ticket struct {
	ride *ride
	once sync.Once
}

// ride collects the held jobs that ride with a job before it is published.
type ride struct {
	mu      sync.Mutex
	pending int // flights with a ticket that have neither boarded nor declined
	gone    bool
	held    []Job
	ready   chan struct{} // closed when pending is 0
}

// wait adds a flight to those that get offers, unless it shares nothing (lanes.Shared).
func (on *rides) wait(n Need) *passenger {
	p := &passenger{kin: n.kin(), offers: make(chan *ticket, 1)}
	if n.Shared {
		on.again(p)
	}
	return p
}

// again puts a flight at the end of those that get offers.
func (on *rides) again(p *passenger) {
	on.mu.Lock()
	defer on.mu.Unlock()
	on.waiting[p.kin] = append(on.waiting[p.kin], p)
}

// leave removes a flight from those that get offers, and declines an open offer.
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

// offer offers a ride to at most `most` flights, the longest waiting first.
func (on *rides) offer(n Need, most int) *ride {
	r, offered := &ride{ready: make(chan struct{})}, 0
	on.mu.Lock()
	defer on.mu.Unlock()
	if n.Shared {
		all := on.waiting[n.kin()]
		offered = min(len(all), max(0, most))
		r.pending = offered
		for _, p := range all[:offered] {
			p.offers <- &ticket{ride: r} // p may answer at once
		}
		on.waiting[n.kin()] = slices.Clone(all[offered:])
	}
	if len(on.waiting[n.kin()]) == 0 {
		delete(on.waiting, n.kin())
	}
	if offered == 0 {
		close(r.ready)
	}
	return r
}

// depart waits until every flight with a ticket has answered, at most departAfter. It returns the jobs
// that boarded.
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

// board puts a held job on the ride. When the ride has departed, board publishes the job by itself.
func (t *ticket) board(j Job) { t.once.Do(func() { t.ride.answer(j) }) }

// decline gives the ticket back, unless the flight has boarded.
func (t *ticket) decline() { t.once.Do(func() { t.ride.answer(nil) }) }

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
