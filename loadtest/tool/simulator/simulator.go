// Package simulator lets requests go through thumbmill's own rules, event by event:
//
//	arrival → the lane's pool at the coordinator (places, bounded line, queue_wait)
//	→ the queue → a renderer with room (slots and ahead in hand; expensive and bulk at
//	most half) → fetch → a slot → render (up to its limit) → answer → store → the place is free
//
// It knows renderers that drain, die and come back, redelivery after AckWait, how long edges
// keep the places of one that died, jobs that are handed back, and the bound of the line
// that edges learn from how long places are held. It leaves out what does not
// change how long requests wait in the sum: fairness among clients, flights, throttles
// other than the lanes.
//
// Times are seconds of simulated time. Arrivals and service times are the caller's, so that
// a cluster can be given the same ones.
package simulator

import (
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Request is one request for a render.
type Request struct {
	At     float64
	Lane   renderjob.Lane
	Fetch  float64 // of the original; takes no slot
	Render float64 // in a slot
	Store  float64 // after the answer; the place is held
}

// Config is the cluster.
type Config struct {
	Renderers int
	Slots     int // of each
	Ahead     int
	QueueWait float64
	Limits    map[renderjob.Lane]float64 // of a render; 0 = none
	// Pools replaces the coordinator's pools; where it is nil they follow the slots, as
	// edges have them.
	Pools map[renderjob.Lane]Pool
	// Outages are renderers that are away for a time.
	Outages []Outage
}

// Pool is the limits of a lane: places, and places with those who wait.
type Pool struct{ Workers, MaxQueue int }

// Outage is one renderer's.
type Outage struct {
	Renderer int
	From, To float64
	Kill     bool // its jobs are lost to it, and come to others after AckWait; else it finishes what renders first
}

// Outcome is what became of a request.
type Outcome uint8

// The outcomes.
const (
	Answered   Outcome = iota // with a thumbnail
	Refused                   // the line was full, or it waited for QueueWait
	NoRenderer                // no renderer began in time
	Overran                   // the render took longer than its limit
	Lost                      // too many renderers died under it
)

// Done is a request that is over.
type Done struct {
	Request Request
	Outcome Outcome
	Waited  float64 // in line, in the queue and for a slot; of answered requests
	Ended   float64 // when it was answered
}

// The cluster's own bounds in seconds: for how long edges keep a dead renderer's places, an
// election of NATS, a job's wait for a slot, and what one that is handed back has left.
var (
	missedAfter = lanes.PlacesKept.Seconds()
	election    = deadline.Election.Seconds()
	patience    = deadline.Slot.Seconds()
	grace       = deadline.StartAgain.Seconds()
)

type kind uint8

const (
	arrived kind = iota // at the coordinator; not in the heap
	timedOut
	fetched
	impatient // waited too long for a slot
	rendered
	stored
	redelivered
	away
	missed // by the edges
	back
)

// event is what happens to a request, or to a renderer, at a time.
type event struct {
	at   float64
	kind kind
	id   int32
	life int32 // of the request's delivery: events of an earlier one are void
}

type request struct {
	asked      Request
	lane       uint8
	renderer   int32
	life       int32
	deliveries int8
	waiting    bool // in line
	ready      bool // has its original, and waits for a slot
	published  float64
	granted    float64
	answered   bool
	waited     float64
}

// Simulation is one run.
type Simulation struct {
	config    Config
	now       float64
	events    heap
	requests  []request
	free      []int32
	renderers []renderer
	lanes     [3]*lane
	emit      func(Done)
	kills     bool
}

// New makes a simulation; emit hears what became of each request, in the order in which
// they end.
func New(c Config, emit func(Done)) (*Simulation, error) {
	if c.Renderers < 1 || c.Slots < 1 || c.Ahead < 0 || c.QueueWait < 0 || len(c.Limits) > 3 {
		return nil, fmt.Errorf("there are to be renderers with slots: %+v", c)
	}
	s := &Simulation{config: c, renderers: make([]renderer, c.Renderers), emit: emit}
	for i := range s.renderers {
		s.renderers[i] = renderer{listed: true, jobs: map[int32]struct{}{}}
	}
	for i, name := range renderjob.Lanes() {
		s.lanes[i] = &lane{name: name, limit: c.Limits[name]}
	}
	for _, o := range c.Outages {
		if o.Renderer < 0 || o.Renderer >= c.Renderers || o.To < o.From {
			return nil, fmt.Errorf("no renderer has this outage: %+v", o)
		}
		life := int32(0)
		if o.Kill {
			life, s.kills = 1, true
		}
		s.events.push(event{at: o.From, kind: away, id: int32(o.Renderer), life: life})
		s.events.push(event{at: o.To, kind: back, id: int32(o.Renderer)})
	}
	s.size()
	for r := range s.renderers {
		s.pull(r)
	}
	return s, nil
}

// Run lets requests through, in the order of their times, until all are over.
func (s *Simulation) Run(requests iter.Seq[Request]) {
	for r := range requests {
		for s.events.len() > 0 && s.events.first().at <= r.At {
			s.step()
		}
		s.now = r.At
		s.arrive(r)
	}
	for s.events.len() > 0 {
		s.step()
	}
}

// duration is so many seconds, or the longest duration that there is.
func duration(seconds float64) time.Duration {
	if seconds >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(seconds * float64(time.Second))
}

// bound is the length of the line that edges learn.
func (l *lane) bound(queueWait float64) {
	l.maxQueue = l.pace.MaxQueue(l.workers, duration(queueWait))
}

func (s *Simulation) schedule(k kind, id int32, after float64) {
	s.events.push(event{s.now + after, k, id, s.requests[id].life})
}

// end tells what became of a request, and makes room.
func (s *Simulation) end(id int32, o Outcome) {
	r := &s.requests[id]
	s.emit(Done{r.asked, o, r.waited, s.now})
	r.life++
	s.free = append(s.free, id)
}

func (s *Simulation) step() {
	e := s.events.pop()
	s.now = e.at
	switch e.kind {
	case away:
		s.leave(int(e.id), e.life == 1)
		return
	case missed:
		s.renderers[e.id].listed = !s.renderers[e.id].gone
		s.size()
		return
	case back:
		s.renderers[e.id].gone, s.renderers[e.id].listed = false, true
		s.size()
		s.pull(int(e.id))
		return
	}
	if s.requests[e.id].life != e.life {
		return
	}
	switch e.kind {
	case timedOut:
		s.timeOut(e.id)
	case fetched:
		s.fetched(e.id)
	case impatient: // a long render is in the way; another renderer may be idle
		if s.requests[e.id].ready {
			s.handBack(e.id)
		}
	case rendered:
		s.rendered(e.id)
	case stored:
		s.stored(e.id)
	case redelivered:
		if s.requests[e.id].answered { // and found in the store
			s.forget(e.id)
			return
		}
		s.publish(e.id)
	}
}

func (s *Simulation) fetched(id int32) {
	r := &s.requests[id]
	w := &s.renderers[r.renderer]
	switch {
	case w.gone:
		s.handBack(id)
	case w.busy < s.config.Slots:
		s.begin(id)
	default:
		r.ready = true
		w.ready.push(s.ticket(id))
		s.schedule(impatient, id, patience)
	}
}

func (s *Simulation) stored(id int32) {
	r := &s.requests[id]
	l := s.lanes[r.lane]
	s.leaveRenderer(id)
	l.pace = l.pace.With(duration(s.now - r.granted))
	if _, fixed := s.config.Pools[l.name]; !fixed {
		l.bound(s.config.QueueWait)
	}
	s.forget(id)
}

// handBack publishes again what a renderer has not begun.
func (s *Simulation) handBack(id int32) {
	r := &s.requests[id]
	r.life++
	r.deliveries--
	r.ready = false
	r.published = max(r.published, s.now-s.config.QueueWait-election+grace)
	at := int(r.renderer)
	s.drop(id)
	s.publish(id)
	s.pull(at)
}
