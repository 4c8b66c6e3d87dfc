package dispatch

import (
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// kin is what jobs have in common that can be done as one.
type kin struct {
	original thumbnail.Location
	version  string
	lane     renderjob.Lane
}

func kinOf(j renderjob.Job) kin { return kin{j.Spec.Original, j.OriginalVersion, j.Lane} }

// line is the jobs that no renderer has begun and that may be done with others of their
// original, oldest first. The dispatcher's mutex guards it.
type line map[kin][]*Handle

func (l line) add(h *Handle) {
	if lanes.Shared(h.job.Spec) {
		l[kinOf(h.job)] = append(l[kinOf(h.job)], h)
	}
}

func (l line) remove(h *Handle) {
	k := kinOf(h.job)
	l[k] = slices.DeleteFunc(l[k], func(other *Handle) bool { return other == h })
	if len(l[k]) == 0 {
		delete(l, k)
	}
}

// Hold opens a job without publishing it. Publish takes it along with another job, which does both.
// The job is published by itself once that other is over or begins without it, or when it is
// released before. The caller closes the handle.
func (d *Dispatcher) Hold(job renderjob.Job, deadline time.Time) *Handle {
	h := d.newHandle(job, deadline)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[job.ID] = h
	return h
}

// begin notes that a renderer begins a job, and gives it the siblings that it does with it: those
// that an earlier delivery had and did not finish, and those that wait now. They are given to
// nobody else until the job is over. What was held for the job and is not given is released.
func (d *Dispatcher) begin(h *Handle, batch int) renderjob.Answer {
	if h == nil || h.withdrawn || h.primary != nil {
		return renderjob.Answer{Word: renderjob.Gone}
	}
	h.started = true
	d.line.remove(h)
	most := min(batch, renderjob.MaxBatch) - 1
	if h.alone || !lanes.Shared(h.job.Spec) {
		most = 0
	}
	for _, s := range slices.Clone(d.line[kinOf(h.job)]) {
		if len(h.siblings) < most {
			d.join(s, h)
		}
	}
	for len(h.siblings) > max(0, most) {
		d.release(h.siblings[len(h.siblings)-1])
	}
	answer := renderjob.Answer{Word: renderjob.Proceed}
	for _, s := range h.siblings {
		answer.Siblings = append(answer.Siblings, d.claim(s))
	}
	return answer
}

// join makes a job a sibling of another, and its own siblings too.
func (d *Dispatcher) join(s, primary *Handle) {
	d.line.remove(s)
	s.primary = primary
	primary.siblings = append(primary.siblings, s)
	for _, further := range s.siblings {
		further.primary = primary
		primary.siblings = append(primary.siblings, further)
	}
	s.siblings = nil
}

// claim notes that a renderer does a sibling, and gives what the renderer is told of it.
func (d *Dispatcher) claim(s *Handle) renderjob.Sibling {
	if !s.started {
		s.started = true
		s.pass(renderjob.Result{Version: renderjob.Version, JobID: s.job.ID, State: renderjob.StateStarted}, d.log)
	}
	job := s.job
	job.DeadlineMS = s.deadline.Sub(s.opened).Milliseconds()
	return renderjob.Sibling{Job: job, Trace: job.Trace, WaitedMS: time.Since(s.opened).Milliseconds()}
}

// release lets a sibling go its own way: its flight looks into the store, and has the job
// published where the queue does not have it. One that a renderer had begun is done alone from
// now on, since it was given up with the others.
func (d *Dispatcher) release(s *Handle) {
	s.primary.siblings = slices.DeleteFunc(s.primary.siblings, func(other *Handle) bool { return other == s })
	s.primary = nil
	if s.over || s.withdrawn {
		return
	}
	s.alone = s.started
	s.started = false
	if !s.alone {
		d.line.add(s)
	}
	s.lookAgain()
}

// part takes a job that is over, or that nobody wants, out of all that it has to do with.
func (d *Dispatcher) part(h *Handle) {
	d.line.remove(h)
	if h.primary != nil {
		h.over = true
		d.release(h)
	}
	for len(h.siblings) > 0 {
		d.release(h.siblings[0])
	}
}

// Release has a job that was held published, where the job that it was held for is not.
func (h *Handle) Release() {
	h.dispatcher.mu.Lock()
	defer h.dispatcher.mu.Unlock()
	if h.primary != nil {
		h.dispatcher.release(h)
		return
	}
	h.lookAgain()
}

// rides reports whether another's delivery does the job.
func (h *Handle) rides() bool {
	h.dispatcher.mu.Lock()
	defer h.dispatcher.mu.Unlock()
	return h.primary != nil
}
