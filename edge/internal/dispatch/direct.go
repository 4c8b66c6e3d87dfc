package dispatch

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

const (
	// asked bounds the renderers that are offered a job in one attempt.
	asked = 3
	// again is the delivery that a handed job counts as. The queue, or a renderer whose answer was lost, may have the job
	// too: from the second delivery on, a renderer looks into the store before it renders.
	again = 2
)

// hand gives the job to a renderer with a free slot, and reports whether one took it. It replaces the queue while that
// takes no jobs: while its servers elect a leader, and after their disks were full. A job that no renderer has room
// for waits for the next attempt.
func (h *Handle) hand() (taken bool) {
	d := h.dispatcher
	job := h.job
	job.DeadlineMS = time.Until(h.deadline).Milliseconds()
	for _, renderer := range d.fleet.Free(asked) {
		request, err := renderjob.HandOver{Job: job, Deliveries: job.Attempt + again}.Message(renderer)
		if err != nil {
			return false
		}
		answer, err := d.conn.RequestMsg(request, renderjob.HandOverTimeout)
		if err == nil && string(answer.Data) == renderjob.Taken {
			d.mu.Lock()
			h.published, h.renderer = time.Now(), renderer
			d.mu.Unlock()
			return true
		}
	}
	return false
}

// handedTo returns the renderer that got the job without the queue, or "".
func (h *Handle) handedTo() string {
	h.dispatcher.mu.Lock()
	defer h.dispatcher.mu.Unlock()
	return h.renderer
}

// missing notes that the queue has no stream.
type missing struct{ noted atomic.Bool }

func (m *missing) note(err error) {
	if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrStreamNotFound) {
		m.noted.Store(true)
	}
}

// Tend tells the flights of published jobs to look again if no renderer lives that could render the job, since Restore then
// publishes the job again, or moves it to another site; and if the job's renderer was silent, since its results may be
// lost. Tend also creates the stream if a publish found none. The caller calls it every second.
func (d *Dispatcher) Tend(ctx context.Context) {
	d.mu.Lock()
	for _, h := range d.open {
		if h.isHeardAgain() || !h.published.IsZero() && (h.isLost() || h.isForsaken()) {
			h.lookAgain()
		}
	}
	d.mu.Unlock()
	if d.missing.noted.Swap(false) {
		d.ensure(ctx)
	}
}
