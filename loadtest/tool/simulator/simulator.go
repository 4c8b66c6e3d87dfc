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
	"maps"
	"math"
	"slices"
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
	Request
	Outcome Outcome
	Waited  float64 // in line, in the queue and for a slot; of answered requests
	Ended   float64 // when it was answered
}

// missedAfter is for how long edges keep the places of a renderer that died
// (edge/internal/fleet), and grace what a job that is handed back has left at least
// (renderer/internal/intake); patience is the pipeline's. Seconds.
var (
	missedAfter = (3*renderjob.HeartbeatEvery + deadline.AckWait).Seconds()
	election    = deadline.Election.Seconds()
	patience    = deadline.Slot.Seconds()
	grace       = 1.0
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
	Request
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

type renderer struct {
	gone   bool
	listed bool // by the edges, as one that takes jobs
	busy   int
	inHand int
	byLane [3]int
	ready  fifo[ticket]       // requests with their originals, that wait for a slot
	jobs   map[int32]struct{} // in hand; kept where renderers are killed
	pulls  [3]bool            // it has asked for work of the lane
	served [3]int             // when a lane's last job came, in jobs
	took   int                // jobs so far
}

type lane struct {
	name     renderjob.Lane
	held     int
	line     fifo[ticket] // of requests that wait for a place
	waiting  int
	queue    fifo[ticket] // of jobs
	pulls    fifo[int32]  // of renderers that have asked for one
	pace     lanes.Pace
	workers  int
	maxQueue int
	limit    float64
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

// size sets the pools by the slots of the renderers that edges know; where they know none,
// the pools stay as they are.
func (s *Simulation) size() {
	slots := 0
	for i := range s.renderers {
		if s.renderers[i].listed {
			slots += s.config.Slots
		}
	}
	if slots == 0 {
		return
	}
	for _, l := range s.lanes {
		if p, ok := s.config.Pools[l.name]; ok {
			l.workers, l.maxQueue = p.Workers, p.MaxQueue
			continue
		}
		l.workers = max(1, lanes.Places(l.name, slots))
		l.bound(s.config.QueueWait)
	}
}

// bound is the length of the line that edges learn.
func (l *lane) bound(queueWait float64) {
	l.maxQueue = l.pace.MaxQueue(l.workers, duration(queueWait))
}

// duration is so many seconds.
func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func (s *Simulation) arrive(r Request) {
	at := 0
	for i, l := range s.lanes {
		if l.name == r.Lane {
			at = i
		}
	}
	id := s.take(request{Request: r, lane: uint8(at)})
	l := s.lanes[at]
	switch {
	case l.held < l.workers && l.waiting == 0:
		s.grant(id)
	case l.held+l.waiting >= l.maxQueue:
		s.end(id, Refused)
	default:
		s.requests[id].waiting = true
		l.waiting++
		l.line.push(s.ticket(id))
		if !math.IsInf(s.config.QueueWait, 1) {
			s.schedule(timedOut, id, s.config.QueueWait)
		}
	}
}

// take finds room for a request.
func (s *Simulation) take(r request) int32 {
	if n := len(s.free); n > 0 {
		id := s.free[n-1]
		s.free = s.free[:n-1]
		r.life = s.requests[id].life
		s.requests[id] = r
		return id
	}
	s.requests = append(s.requests, r)
	return int32(len(s.requests) - 1)
}

func (s *Simulation) schedule(k kind, id int32, after float64) {
	s.events.push(event{s.now + after, k, id, s.requests[id].life})
}

// end tells what became of a request, and makes room.
func (s *Simulation) end(id int32, o Outcome) {
	r := &s.requests[id]
	s.emit(Done{r.Request, o, r.waited, s.now})
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

func (s *Simulation) timeOut(id int32) {
	r := &s.requests[id]
	if !r.waiting {
		return
	}
	r.waiting = false
	s.lanes[r.lane].waiting--
	s.end(id, Refused)
}

// grant gives a request its place, and publishes its job.
func (s *Simulation) grant(id int32) {
	r := &s.requests[id]
	r.waiting, r.granted, r.published = false, s.now, s.now
	s.lanes[r.lane].held++
	s.publish(id)
}

// publish puts a job into the queue, or gives it to the renderer that asked first.
func (s *Simulation) publish(id int32) {
	l := s.lanes[s.requests[id].lane]
	for l.pulls.len() > 0 {
		at := int(l.pulls.pop())
		s.renderers[at].pulls[s.requests[id].lane] = false
		if s.hasRoom(at, s.requests[id].lane) {
			s.deliver(id, at)
			s.pull(at) // it asks again, also where the job was too old
			return
		}
	}
	l.queue.push(s.ticket(id))
}

func (s *Simulation) ticket(id int32) ticket { return ticket{id, s.requests[id].life} }

// valid reports whether the request is still what it was when it stood in line.
func (s *Simulation) valid(t ticket) bool { return s.requests[t.id].life == t.life }

func (s *Simulation) hasRoom(at int, lane uint8) bool {
	r := &s.renderers[at]
	limit := lanes.Slots(s.lanes[lane].name, s.config.Slots)
	if lane == 0 {
		limit += s.config.Ahead
	}
	return !r.gone && r.inHand < s.config.Slots+s.config.Ahead && r.byLane[lane] < limit
}

// pull has a renderer take what waits, from the lane that it served least recently, and
// ask for what comes.
func (s *Simulation) pull(at int) {
	for lane := s.turn(at); lane >= 0; lane = s.turn(at) {
		if id, ok := s.next(s.lanes[lane]); ok {
			s.deliver(id, at)
			continue
		}
		s.renderers[at].pulls[lane] = true
		s.lanes[lane].pulls.push(int32(at))
	}
}

// turn is the lane for which a renderer looks next; -1 where it has asked for all that it
// has room for.
func (s *Simulation) turn(at int) (lane int) {
	w := &s.renderers[at]
	lane = -1
	for i := range s.lanes {
		if s.hasRoom(at, uint8(i)) && !w.pulls[i] && (lane < 0 || w.served[i] < w.served[lane]) {
			lane = i
		}
	}
	return lane
}

func (s *Simulation) next(l *lane) (id int32, ok bool) {
	for l.queue.len() > 0 {
		if t := l.queue.pop(); s.valid(t) {
			return t.id, true
		}
	}
	return 0, false
}

// deliver hands a job to a renderer, which begins to fetch, or finds it too old.
func (s *Simulation) deliver(id int32, at int) {
	r, w := &s.requests[id], &s.renderers[at]
	r.deliveries++
	switch {
	case int(r.deliveries) > renderjob.MaxDeliveries:
		s.fail(id, Lost)
		return
	case r.deliveries == 1 && s.now-r.published > s.config.QueueWait+election:
		s.fail(id, NoRenderer)
		return
	}
	r.renderer = int32(at)
	w.inHand++
	w.byLane[r.lane]++
	w.took++
	w.served[r.lane] = w.took
	if s.kills {
		w.jobs[id] = struct{}{}
	}
	s.schedule(fetched, id, r.Fetch)
}

// fail ends a request that holds a place.
func (s *Simulation) fail(id int32, o Outcome) {
	l := s.requests[id].lane
	s.end(id, o)
	s.release(l)
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

// begin takes a slot. What the request waited is all but its fetch.
func (s *Simulation) begin(id int32) {
	r := &s.requests[id]
	s.renderers[r.renderer].busy++
	r.ready = false
	r.waited = s.now - r.At - r.Fetch
	took := r.Render
	if limit := s.lanes[r.lane].limit; limit > 0 {
		took = min(took, limit)
	}
	s.schedule(rendered, id, took)
}

func (s *Simulation) rendered(id int32) {
	r := &s.requests[id]
	w := &s.renderers[r.renderer]
	w.busy--
	for w.ready.len() > 0 {
		if next := w.ready.pop(); s.valid(next) {
			s.begin(next.id)
			break
		}
	}
	if limit := s.lanes[r.lane].limit; limit > 0 && r.Render > limit {
		s.leaveRenderer(id)
		s.fail(id, Overran)
		return
	}
	r.answered = true
	s.emit(Done{r.Request, Answered, r.waited, s.now})
	s.schedule(stored, id, r.Store)
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

// forget ends a request that was answered.
func (s *Simulation) forget(id int32) {
	r := &s.requests[id]
	r.life++
	s.free = append(s.free, id)
	s.release(r.lane)
}

func (s *Simulation) leaveRenderer(id int32) {
	s.drop(id)
	s.pull(int(s.requests[id].renderer))
}

// drop takes a job out of its renderer's hands.
func (s *Simulation) drop(id int32) {
	r := &s.requests[id]
	w := &s.renderers[r.renderer]
	w.inHand--
	w.byLane[r.lane]--
	if s.kills {
		delete(w.jobs, id)
	}
}

// release gives a place to who waits longest.
func (s *Simulation) release(at uint8) {
	l := s.lanes[at]
	l.held--
	for l.held < l.workers && l.line.len() > 0 {
		if t := l.line.pop(); s.valid(t) && s.requests[t.id].waiting { // else it gave up
			l.waiting--
			s.grant(t.id)
		}
	}
}

// leave takes a renderer away. One that is killed loses its jobs, which come to others
// after AckWait; the others it finishes.
func (s *Simulation) leave(at int, kill bool) {
	w := &s.renderers[at]
	w.gone = true
	if !kill {
		w.listed = false
		s.size()
		for w.ready.len() > 0 {
			if t := w.ready.pop(); s.valid(t) {
				s.handBack(t.id)
			}
		}
		return
	}
	s.events.push(event{at: s.now + missedAfter, kind: missed, id: int32(at)})
	for _, id := range slices.Sorted(maps.Keys(w.jobs)) {
		r := &s.requests[id]
		r.life++
		s.schedule(redelivered, id, deadline.AckWait.Seconds())
	}
	*w = renderer{gone: true, listed: true, jobs: map[int32]struct{}{}, pulls: w.pulls}
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
