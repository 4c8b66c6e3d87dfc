package pipeline

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/source"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// flowsWithin is the time in which the bytes of an original that flow fast enough are there. A job whose
// download takes longer steps aside.
const flowsWithin = 250 * time.Millisecond

// fetchAside fetches an original. When that takes longer than flowsWithin, the job gives its place in
// the intake back, and tells the edge, which gives the lane's place back; the job takes a place in the
// intake again when the bytes are there. It returns intake.ErrNotBegun for a drain meanwhile. When too
// many jobs of this origin are aside already, the fetch ends with an OriginalStore fault.
func (j *job) fetchAside(ctx context.Context, drain <-chan struct{}, at thumbnail.Location, version string) (*source.Original, error) {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stepped := make(chan struct{})
	timer := time.AfterFunc(flowsWithin, func() {
		defer close(stepped)
		if full := j.stepAside(at); full != nil {
			cancel(full)
		}
	})
	original, err := j.originals.Fetch(within, at, version)
	if timer.Stop() {
		return original, err
	}
	<-stepped
	if full := context.Cause(within); full != nil && err != nil && ctx.Err() == nil {
		return nil, full
	}
	if err != nil {
		return nil, err
	}
	if err := j.delivery.Place.Return(ctx, drain); err != nil {
		original.Release()
		return nil, err
	}
	return original, nil
}

// stepAside gives the job's place back, and tells the edge. It returns a fault if too many jobs of the
// origin are aside already.
func (j *job) stepAside(at thumbnail.Location) error {
	if !j.delivery.Place.StepAside(j.originals.Origin(at)) {
		return fault.New(fault.OriginalStore, "too many slow downloads of this original's server are under way: ask again later")
	}
	j.reply(renderjob.Result{State: renderjob.StateFetching})
	return nil
}
