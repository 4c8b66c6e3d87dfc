package dispatch

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// beginsAtOnce hands the job to a renderer with a free slot, and reports whether that renderer begins it. The renderer
// accepts only while no lane with room has a waiting job (intake.Free), so the job passes no other one in the queue, and
// does not wait at a busy renderer while another one is idle.
//
// When the renderer refuses, or does not answer in time, the caller publishes the job. The first renderer that begins has
// the job: the edge refuses those that ask later (isWith).
func (h *Handle) beginsAtOnce(ctx context.Context) bool {
	d := h.dispatcher
	if h.job.Lane == renderjob.LaneBulk || h.job.Slow || !d.conn.IsConnected() { // the client would send the job after the outage
		return false
	}
	renderer, ok := d.fleet.Offer(h.job.Near)
	if !ok || h.handTo(renderer) != nil {
		return false
	}
	limit := time.NewTimer(renderjob.HandOverTimeout)
	defer limit.Stop()
	select {
	case begins := <-h.settled:
		return begins
	case <-limit.C:
	case <-ctx.Done():
	}
	d.fleet.Told(renderer, 0)
	return h.suspect()
}

// handTo sends the job to a renderer.
func (h *Handle) handTo(renderer string) error {
	job := h.job
	job.DeadlineMS = time.Until(h.deadline).Milliseconds()
	m, err := renderjob.HandOver{Job: job, Deliveries: 1, AtOnce: true}.Message(renderer)
	if err != nil {
		return err
	}
	h.dispatcher.mu.Lock()
	h.offered = renderer
	h.dispatcher.mu.Unlock()
	return h.dispatcher.conn.PublishMsg(m)
}

// suspect reports whether the job has just begun. If not, the renderer may begin it yet: from the second delivery on,
// renderers look into the store before they render.
func (h *Handle) suspect() (begun bool) {
	h.dispatcher.mu.Lock()
	defer h.dispatcher.mu.Unlock()
	if h.renderer == "" {
		h.job.Attempt++
	}
	return h.renderer != ""
}

// isWith reports whether another living renderer than the asking one began the job at once. That renderer may have moved
// the job to the lane that the asking one has it from. The caller holds the mutex.
func (h *Handle) isWith(asking renderjob.Result) bool {
	begun := h.renderer != "" && h.renderer == h.offered
	return begun && h.renderer != asking.Renderer && asking.Lane == h.job.Lane && h.dispatcher.fleet.Has(h.renderer)
}

// noteTaken records that a renderer begins a job that was handed to it. h is nil for a job that is not open. The caller
// holds the mutex.
func (d *Dispatcher) noteTaken(h *Handle, r renderjob.Result) {
	if h == nil || h.offered != r.Renderer || h.recalled || h.started || h.primary != nil {
		d.log.Info("hear late that a renderer begins a job", "job", r.JobID, "renderer", r.Renderer)
		return
	}
	h.started, h.renderer, h.begunBy, h.published = true, r.Renderer, r.Renderer, time.Now()
	d.line.remove(h)
	h.pass(r, d.log)
	h.settle(true)
}

// noteBusy records that a renderer does not begin a job that was handed to it, or gives the job up. The caller holds the
// mutex.
func (d *Dispatcher) noteBusy(h *Handle, r renderjob.Result) {
	if h.offered != r.Renderer {
		return
	}
	h.offered = ""
	h.settle(false)
	if h.renderer == r.Renderer {
		h.renderer, h.started, h.published = "", false, time.Time{}
		d.line.add(h)
		h.lookAgain()
	}
}

// settle tells beginsAtOnce whether the renderer begins the job.
func (h *Handle) settle(begins bool) {
	select {
	case h.settled <- begins:
	default: // nobody waits any more
	}
}

// isForsaken reports whether the renderer that has the job without the queue is gone. One that began the job at once is
// gone after as long a silence as the queue bears (deadline.AckWait), which does not count while this edge hears nobody. The
// caller holds the mutex.
func (h *Handle) isForsaken() bool {
	d := h.dispatcher
	if h.renderer == "" || d.fleet.Has(h.renderer) || !d.conn.IsConnected() {
		h.missed = time.Time{}
		return false
	}
	if h.renderer != h.offered {
		return true
	}
	if h.missed.IsZero() {
		h.missed = time.Now()
	}
	return time.Since(h.missed) >= deadline.AckWait-lanes.DeadAfter
}

// isHeardAgain reports whether the renderer that began the job was silent at the last call, and is heard again: its results
// may be lost. The caller holds the mutex.
func (h *Handle) isHeardAgain() bool {
	before := h.silent
	h.silent = h.begunBy != "" && !h.dispatcher.fleet.Has(h.begunBy)
	return before && !h.silent
}

// forsakes takes the job from a renderer that is gone, and reports whether it is. The next renderer draws the job alone, and
// looks into the store first.
func (h *Handle) forsakes() bool {
	h.dispatcher.mu.Lock()
	defer h.dispatcher.mu.Unlock()
	if !h.isForsaken() {
		return false
	}
	h.renderer, h.offered, h.started, h.alone = "", "", false, true
	h.job.Attempt++
	return true
}
