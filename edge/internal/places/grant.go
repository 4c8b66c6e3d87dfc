package places

import (
	"context"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Grant is the answer to a flight's request for places. It has a lease; or Done, when another flight rendered
// the thumbnail meanwhile; or the fault of a refusal.
type Grant struct {
	Lease   admission.Lease
	Done    bool
	Refusal error
	way     way // nil without a lease
}

// way is the way of a granted flight's job to a renderer.
type way interface {
	publish(ctx context.Context, job renderjob.Job) (Job, error)
	// close ends a way on which no job went. After publish, it does nothing.
	close()
}

// Publish publishes the flight's job, or lets it ride with another job. It is called at most once, for a grant with a lease.
func (g Grant) Publish(ctx context.Context, job renderjob.Job) (Job, error) {
	return g.way.publish(ctx, job)
}

// Close lets the flights behind this one go on, if it published no job. It does not release the lease.
func (g Grant) Close() {
	if g.way != nil {
		g.way.close()
	}
}

// giveBack releases the lease of a grant that the flight does not use.
func (g Grant) giveBack() {
	if g.Lease != nil {
		g.Lease.Release(admission.Outcome{})
	}
}

// driver publishes a job, and offers the flights that wait for places a ride with it.
type driver struct {
	places *Places
	need   Need
	convoy *convoy // which the flight leads; nil for a flight that waited alone
}

func (d driver) publish(ctx context.Context, job renderjob.Job) (Job, error) {
	along := d.places.rides.offer(d.need, d.places.fleet.Batch()-1).depart()
	d.convoy.end(nil) // flights without a ride form the next convoy
	return d.places.queue.Publish(ctx, job, along...)
}

func (d driver) close() { d.convoy.end(nil) }

// rider holds a job, which rides with another.
type rider struct {
	queue  Queue
	ticket *ticket
}

func (r rider) publish(ctx context.Context, job renderjob.Job) (Job, error) {
	held := r.queue.Hold(ctx, job)
	r.ticket.board(held)
	return held, nil
}

func (r rider) close() { r.ticket.decline() }
