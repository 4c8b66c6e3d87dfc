package simulator

import (
	"math"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// lane is a lane's pool at the coordinator, and its queue.
type lane struct {
	name     renderjob.Lane
	held     int
	line     fifo[ticket] // requests that wait for a place
	waiting  int
	queue    fifo[ticket] // of jobs
	pulls    fifo[int32]  // renderers that have asked for a job
	pace     lanes.Pace
	workers  int
	maxQueue int
	limit    float64
}

// size sets the pools from the slots of the renderers that edges know. If edges know none, the
// pools stay as they are.
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

func (s *Simulation) arrive(r Request) {
	at := 0
	for i, l := range s.lanes {
		if l.name == r.Lane {
			at = i
		}
	}
	id := s.admit(request{asked: r, lane: uint8(at)})
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

// admit stores a request, and returns its number.
func (s *Simulation) admit(r request) int32 {
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

// fail ends a request that holds a place.
func (s *Simulation) fail(id int32, o Outcome) {
	l := s.requests[id].lane
	s.end(id, o)
	s.release(l)
}

// forget frees the number of an answered request.
func (s *Simulation) forget(id int32) {
	r := &s.requests[id]
	r.life++
	s.free = append(s.free, id)
	s.release(r.lane)
}

// release gives a place to the request that has waited longest.
func (s *Simulation) release(at uint8) {
	l := s.lanes[at]
	l.held--
	for l.held < l.workers && l.line.len() > 0 {
		if t := l.line.pop(); s.valid(t) && s.requests[t.id].waiting { // else the request has timed out
			l.waiting--
			s.grant(t.id)
		}
	}
}
