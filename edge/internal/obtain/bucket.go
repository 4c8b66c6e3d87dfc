package obtain

import (
	"context"

	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// buckets finds larger stored thumbnails from which renderers can render smaller ones.
type buckets struct {
	widths []int // render.buckets
	stored Stored
}

// look returns the work with its bucket. When the bucket is in the store, the render of any original
// costs as much as a render of a small picture. The flight then takes no place of an expensive type,
// and leaves the expensive lane for the standard one.
func (b buckets) look(ctx context.Context, w work) work {
	spec := w.request.Target.Spec
	if w.request.Target.Odd == nil { // the renderer compares such a width with the original
		w.bucket = bucket.Width(spec, b.widths)
	}
	mayBe := w.bucket > 0 && w.version != "" && (w.expensive != "" || w.slow || w.lane == renderjob.LaneExpensive)
	if !mayBe || !b.stored.HasBucket(ctx, bucket.Of(spec, w.request.Target.Key, w.bucket), w.version) {
		return w
	}
	w.bucketSeen, w.expensive, w.places, w.weight, w.lane, w.slow = true, "", 0, 1, lanes.WithBucket(w.lane, w.slow), false
	return w
}
