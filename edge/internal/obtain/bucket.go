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
	w.bucket = b.width(w)
	if !w.bucketHelps() || w.version == "" || !b.stored.HasBucket(ctx, bucket.Of(spec, w.request.Target.Key, w.bucket), w.version) {
		return w
	}
	w.bucketSeen, w.expensive, w.places, w.weight, w.lane, w.slow = true, "", 0, 1, lanes.WithBucket(w.lane, w.slow), false
	return w
}

// width returns the width of the work's bucket, or 0.
func (b buckets) width(w work) int {
	if w.request.Target.Odd != nil { // the renderer compares such a width with the original
		return 0
	}
	return bucket.Width(w.request.Target.Spec, b.widths)
}

// bucketHelps reports whether the work leaves its lane, or its type's pool, when the store has its bucket.
func (w work) bucketHelps() bool {
	return w.bucket > 0 && (w.expensive != "" || w.slow || w.lane == renderjob.LaneExpensive)
}
