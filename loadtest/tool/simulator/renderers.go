package simulator

import (
	"maps"
	"slices"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// renderer is a renderer with the jobs that it holds.
type renderer struct {
	gone   bool
	listed bool // edges know it, as a renderer that takes jobs
	busy   int
	inHand int
	byLane [3]int
	ready  fifo[ticket]       // requests with fetched originals that wait for a slot
	jobs   map[int32]struct{} // held jobs; only kept if outages kill renderers
	pulls  [3]bool            // the renderer has asked for a job of the lane
	served [3]int             // number of jobs at the lane's last job
	took   int                // number of jobs so far
}

// publish puts a job into the queue, or gives it to the renderer that asked first.
func (s *Simulation) publish(id int32) {
	l := s.lanes[s.requests[id].lane]
	for l.pulls.len() > 0 {
		at := int(l.pulls.pop())
		s.renderers[at].pulls[s.requests[id].lane] = false
		if s.hasRoom(at, s.requests[id].lane) {
			s.deliver(id, at)
			s.pull(at) // the renderer asks again, even if the job was too old
			return
		}
	}
	l.queue.push(s.ticket(id))
}

func (s *Simulation) ticket(id int32) ticket { return ticket{id, s.requests[id].life} }

// valid reports whether the request is unchanged since it entered the queue.
func (s *Simulation) valid(t ticket) bool { return s.requests[t.id].life == t.life }

func (s *Simulation) hasRoom(at int, lane uint8) bool {
	r := &s.renderers[at]
	limit := lanes.Slots(s.lanes[lane].name, s.config.Slots)
	if lane == 0 {
		limit += s.config.Ahead
	}
	return !r.gone && r.inHand < s.config.Slots+s.config.Ahead && r.byLane[lane] < limit
}

// pull gives a renderer waiting jobs, from the least recently served lane first, and notes its
// demand for later jobs.
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

// turn returns the next lane of a renderer, or -1 if the renderer has asked for every lane that it
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

// deliver gives a job to a renderer. The renderer starts to fetch, or finds the job too old.
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
	s.schedule(fetched, id, r.asked.Fetch)
}

// begin takes a slot. The wait of the request excludes its fetch.
func (s *Simulation) begin(id int32) {
	r := &s.requests[id]
	s.renderers[r.renderer].busy++
	r.ready = false
	r.waited = s.now - r.asked.At - r.asked.Fetch
	took := r.asked.Render
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
	if limit := s.lanes[r.lane].limit; limit > 0 && r.asked.Render > limit {
		s.leaveRenderer(id)
		s.fail(id, Overran)
		return
	}
	s.emit(Done{r.asked, Answered, r.waited, s.now})
	s.freed(id)
}

func (s *Simulation) leaveRenderer(id int32) {
	s.drop(id)
	s.pull(int(s.requests[id].renderer))
}

// drop removes a job from its renderer.
func (s *Simulation) drop(id int32) {
	r := &s.requests[id]
	w := &s.renderers[r.renderer]
	w.inHand--
	w.byLane[r.lane]--
	if s.kills {
		delete(w.jobs, id)
	}
}

// leave takes a renderer away. A killed renderer loses its jobs; other renderers get these after
// AckWait. A renderer that drains finishes its jobs.
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
