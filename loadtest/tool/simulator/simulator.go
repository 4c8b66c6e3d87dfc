// Package simulator simulates requests under thumbmill's own rules, event by event:
//
//	arrival → the lane's pool at the coordinator (places, bounded line, queue_wait)
//	→ the queue → a renderer with room (it holds slots and ahead jobs; expensive and bulk at
//	most half) → fetch → a slot → render (up to its limit) → answer, and the place is free
//
// It simulates renderers that drain, die and return; redelivery after AckWait; the time that edges
// keep the places of a dead renderer; jobs that are handed back; and the bound of the line, which
// edges learn from the time that requests hold places. It does not simulate rules that do not
// change the sum of waits: fairness among clients, flights, and throttles other than the lanes. Slow renders
// (renderjob.Job.Slow) take slots of the lane bulk here, and none in a cluster: a plan with many of them is on the safe side.
//
// Times are seconds of simulated time. The caller provides arrivals and service times, so that it
// can give the same ones to a cluster.
package simulator

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Request is a request for a render.
type Request struct {
	At     float64
	Lane   renderjob.Lane
	Fetch  float64 // of the original; needs no slot
	Render float64 // in a slot
	Store  float64 // after the answer; takes no place
}

// Config describes the cluster.
type Config struct {
	Renderers int
	Slots     int // of each
	Ahead     int
	QueueWait float64
	Limits    map[renderjob.Lane]float64 // 0 means no limit
	// Pools replaces the coordinator's pools. If it is nil, the pools follow the slots, as with
	// edges.
	Pools map[renderjob.Lane]Pool
	// Outages has renderers that are away for some time.
	Outages []Outage
}

// Pool has the limits of a lane: places, and places plus waiting requests.
type Pool struct{ Workers, MaxQueue int }

// Outage is the absence of one renderer.
type Outage struct {
	Renderer int
	From, To float64
	Kill     bool // the renderer loses its jobs, and others get them after AckWait; else it first finishes its renders
}

// Outcome is the end of a request.
type Outcome uint8

// The outcomes.
const (
	Answered   Outcome = iota // with a thumbnail
	Refused                   // the line was full, or the wait exceeded QueueWait
	NoRenderer                // no renderer began in time
	Overran                   // the render took longer than its limit
	Lost                      // too many renderers died during the render
)

// Done is an ended request.
type Done struct {
	Request Request
	Outcome Outcome
	Waited  float64 // in line, in the queue and for a slot; only of answered requests
	Ended   float64 // time of the answer
}

// The cluster's own bounds in seconds: the time that edges keep a dead renderer's places, an
// election of NATS, a job's wait for a slot, and the rest of the wait after a job is handed back.
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
	redelivered
	missed // edges notice the absence
	back
)

// event is a change of a request or a renderer at a time.
type event struct {
	at   float64
	kind kind
	id   int32
	life int32 // number of the request's delivery: events of earlier deliveries are void
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
	waited     float64
}

// Simulation is a run.
type Simulation struct {
	config    Config
	now       float64
	events    heap
	requests  []request
	free      []int32
	renderers []renderer
	lanes     [3]*lane
	outages   []Outage // that have not begun, the next first
	emit      func(Done)
	kills     bool
}

// New returns a simulation. emit gets the end of each request, in the order of ends.
func New(c Config, emit func(Done)) (*Simulation, error) {
	if c.Renderers < 1 || c.Slots < 1 || c.Ahead < 0 || c.QueueWait < 0 || len(c.Limits) > 3 {
		return nil, fmt.Errorf("need at least one renderer, one slot, and no negative number: %+v", c)
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
			return nil, fmt.Errorf("an outage names a missing renderer, or ends before it starts: %+v", o)
		}
		s.kills = s.kills || o.Kill
	}
	s.outages = slices.SortedStableFunc(slices.Values(c.Outages), func(a, b Outage) int { return cmp.Compare(a.From, b.From) })
	s.size()
	for r := range s.renderers {
		s.pull(r)
	}
	return s, nil
}

// Run simulates requests, in the order of their times, until all have ended.
func (s *Simulation) Run(requests iter.Seq[Request]) {
	for r := range requests {
		for s.due() <= r.At {
			s.step()
		}
		s.now = r.At
		s.arrive(r)
	}
	for s.events.len() > 0 {
		s.step()
	}
}

// duration converts seconds, with the longest Duration as maximum.
func duration(seconds float64) time.Duration {
	if seconds >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(seconds * float64(time.Second))
}

// bound sets the length of the line that edges learn.
func (l *lane) bound(queueWait float64) {
	l.maxQueue = l.pace.MaxQueue(l.workers, duration(queueWait))
}

func (s *Simulation) schedule(k kind, id int32, after float64) {
	s.events.push(event{s.now + after, k, id, s.requests[id].life})
}

// end reports the outcome of a request, and makes room.
func (s *Simulation) end(id int32, o Outcome) {
	r := &s.requests[id]
	s.emit(Done{r.asked, o, r.waited, s.now})
	r.life++
	s.free = append(s.free, id)
}

// due returns the time of the next event or outage. Outages stay out of the heap: there are many more of
// them than events if requests are few.
func (s *Simulation) due() float64 {
	at := math.Inf(1)
	if s.events.len() > 0 {
		at = s.events.first().at
	}
	if len(s.outages) > 0 {
		at = min(at, s.outages[0].From)
	}
	return at
}

func (s *Simulation) step() {
	s.now = s.due()
	if len(s.outages) > 0 && s.outages[0].From == s.now && (s.events.len() == 0 || s.events.first().at > s.now) {
		o := s.outages[0]
		s.outages = s.outages[1:]
		s.events.push(event{at: o.To, kind: back, id: int32(o.Renderer)}) //nolint:gosec // below Renderers
		s.leave(o.Renderer, o.Kill)
		return
	}
	e := s.events.pop()
	switch e.kind {
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
	case redelivered:
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

// freed gives the places of an answered request back. Edges learn a render's pace when it is stored.
func (s *Simulation) freed(id int32) {
	r := &s.requests[id]
	l := s.lanes[r.lane]
	s.leaveRenderer(id)
	l.pace = l.pace.With(duration(s.now - r.granted + r.asked.Store))
	if _, fixed := s.config.Pools[l.name]; !fixed {
		l.bound(s.config.QueueWait)
	}
	s.forget(id)
}

// handBack publishes a job again that its renderer has not begun.
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
