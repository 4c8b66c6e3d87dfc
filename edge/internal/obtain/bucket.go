package obtain

import (
	"context"

	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// buckets finds the larger thumbnails from which others can be rendered.
type buckets struct {
	widths []int // render.buckets
	stored Stored
}

// look notes the bucket of a flight's work. When that is in the store, the render costs what
// one of a small picture does, whatever the original: it takes no place of an expensive type,
// and goes by the standard lane.
func (b buckets) look(ctx context.Context, w work) work {
	spec := w.request.Target.Spec
	w.bucket = bucket.Width(spec, b.widths)
	mayBe := w.bucket > 0 && w.version != "" && (w.expensive != "" || w.lane == renderjob.LaneExpensive)
	if !mayBe || !b.stored.HasBucket(ctx, bucket.Of(spec, w.request.Target.Key, w.bucket), w.version) {
		return w
	}
	w.bucketSeen, w.expensive, w.places = true, "", 0
	if w.lane == renderjob.LaneExpensive {
		w.lane = renderjob.LaneStandard
	}
	return w
}
