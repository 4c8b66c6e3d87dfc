package dispatch

import (
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// kin is the properties that all jobs of a batch share.
type kin struct {
	original thumbnail.Location
	version  string
	lane     renderjob.Lane
	slow     bool
}

func kinOf(j renderjob.Job) kin { return kin{j.Spec.Original, j.OriginalVersion, j.Lane, j.Slow} }

// line is the jobs that no renderer has begun, and that renderers may draw in a batch, oldest
// first. The dispatcher's mutex guards it.
type line map[kin][]*Handle

func (l line) add(h *Handle) {
	if lanes.Shared(h.job.Spec, h.job.OwnWidthOnly) {
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

// Hold opens a job without publishing it. Publish makes the job a sibling of another job. The job
// is published by itself when that primary ends or begins without the job, or after Release. The
// caller closes the handle.
func (d *Dispatcher) Hold(job renderjob.Job, deadline time.Time) *Handle {
	h := d.newHandle(job, deadline)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[job.ID] = h
	return h
}

// begin records that a renderer begins a job, and returns the job's siblings, at most batch less
// one: the siblings that an earlier delivery did not finish, and jobs of the line. No other
// renderer gets a sibling until the job is over. begin releases held jobs that do not fit. The
// answer is Gone if no flight waits for the job, or if the job is a sibling itself.
func (d *Dispatcher) begin(h *Handle, batch int) renderjob.Answer {
	if h == nil || h.recalled || h.primary != nil {
		return renderjob.Answer{Word: renderjob.Gone}
	}
	h.started = true
	d.line.remove(h)
	most := min(batch, renderjob.MaxBatch) - 1
	if h.alone || !lanes.Shared(h.job.Spec, h.job.OwnWidthOnly) {
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

// join makes s, and the siblings of s, siblings of primary.
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

// claim records that a renderer begins a sibling, and returns the sibling for the renderer.
func (d *Dispatcher) claim(s *Handle) renderjob.Sibling {
	if !s.started {
		s.started = true
		s.pass(renderjob.Result{Version: renderjob.Version, JobID: s.job.ID, State: renderjob.StateStarted}, d.log)
	}
	job := s.job
	job.DeadlineMS = s.deadline.Sub(s.opened).Milliseconds()
	return renderjob.Sibling{Job: job, Trace: job.Trace, WaitedMS: time.Since(s.opened).Milliseconds()}
}

// release separates a sibling from its primary. The sibling's flight looks into the store, and
// publishes the job if the queue does not have it. A sibling that a renderer had begun is rendered
// alone from now on, since the batch with it was given up.
func (d *Dispatcher) release(s *Handle) {
	s.primary.siblings = slices.DeleteFunc(s.primary.siblings, func(other *Handle) bool { return other == s })
	s.primary = nil
	if s.over || s.recalled {
		return
	}
	s.alone = s.started
	s.started = false
	if !s.alone {
		d.line.add(s)
	}
	s.lookAgain()
}

// part removes a job that is over or recalled from the line and from its batch, and releases its
// siblings.
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

// Release tells the flight of a held job to publish the job by itself.
func (h *Handle) Release() {
	h.dispatcher.mu.Lock()
	defer h.dispatcher.mu.Unlock()
	if h.primary != nil {
		h.dispatcher.release(h)
		return
	}
	h.lookAgain()
}

// rides reports whether the job is a sibling of another job.
func (h *Handle) rides() bool {
	h.dispatcher.mu.Lock()
	defer h.dispatcher.mu.Unlock()
	return h.primary != nil
}
