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

// Close lets other flights go on that wait for the job of a flight that published none. It does not
// release the lease.
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

// first publishes a job, and offers the flights that wait for places a ride with it.
type first struct {
	places *Places
	need   Need
	convoy *convoy // which the flight leads; nil for a flight that waited alone
}

func (f first) publish(ctx context.Context, job renderjob.Job) (Job, error) {
	along := f.places.rides.offer(f.need, f.places.fleet.Batch()-1).depart()
	f.convoy.end(nil) // flights without a ride form the next convoy
	return f.places.queue.Publish(ctx, job, along...)
}

func (f first) close() { f.convoy.end(nil) }

// aboard holds a job, which rides with another.
type aboard struct {
	queue  Queue
	ticket *ticket
}

func (a aboard) publish(ctx context.Context, job renderjob.Job) (Job, error) {
	held := a.queue.Hold(ctx, job)
	a.ticket.board(held)
	return held, nil
}

func (a aboard) close() { a.ticket.decline() }
