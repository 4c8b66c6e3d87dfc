package pipeline

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/source"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// flowsWithin is the time in which the bytes of a picture that flow fast enough are there. A job whose
// download takes longer steps aside.
const flowsWithin = 250 * time.Millisecond

// bucketsOrigin is the origin of all buckets, as objectstore.Origin names the origin of an original.
const bucketsOrigin = "buckets"

// fetchAside fetches an original, aside if that takes long.
func (j *job) fetchAside(ctx context.Context, drain <-chan struct{}, at thumbnail.Location, version string) (original *source.Original, err error) {
	returned := j.aside(ctx, drain, j.originals.Origin(at), func(ctx context.Context) error {
		original, err = j.originals.Fetch(ctx, at, version)
		return err
	})
	if err == nil && returned != nil {
		original.Release()
		original = nil
	}
	return original, returned
}

// openBucketAside opens the bucket, aside if that takes long. failed says why the bucket is of no use; err says why the job
// has no place any more.
func (j *job) openBucketAside(ctx context.Context, drain <-chan struct{}) (from *fromBucket, failed, err error) {
	err = j.aside(ctx, drain, bucketsOrigin, func(ctx context.Context) error {
		from, failed = j.openBucket(ctx)
		return nil // the job then needs its place for the original
	})
	if err != nil && from != nil {
		from.free()
		from = nil
	}
	return from, failed, err
}

// aside calls download. When that takes longer than flowsWithin, the job gives its place in the intake back, and tells
// the edge, which gives the lane's place back; the job takes a place in the intake again when the bytes are there. It
// returns intake.ErrNotBegun for a drain meanwhile. When too many jobs of this origin are aside already, the download
// ends with an OriginalStore fault.
func (j *job) aside(ctx context.Context, drain <-chan struct{}, origin string, download func(context.Context) error) error {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stepped := make(chan struct{})
	timer := time.AfterFunc(flowsWithin, func() {
		defer close(stepped)
		if full := j.stepAside(origin); full != nil {
			cancel(full)
		}
	})
	err := download(within)
	if timer.Stop() {
		return err
	}
	<-stepped
	if full := context.Cause(within); full != nil && err != nil && ctx.Err() == nil {
		return full
	}
	if err != nil {
		return err
	}
	return j.delivery.Place.Return(ctx, drain)
}

// stepAside gives the job's place back, and tells the edge. It returns a fault if too many jobs of the
// origin are aside already.
func (j *job) stepAside(origin string) error {
	if !j.delivery.Place.StepAside(origin) {
		return fault.New(fault.OriginalStore, "too many slow downloads of this original's server are under way: ask again later")
	}
	j.reply(renderjob.Result{State: renderjob.StateFetching})
	return nil
}
