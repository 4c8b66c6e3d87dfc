package stored

import (
	"context"

	"github.com/thumbmill/thumbmill/shared/bucket"
)

// HasBucket reports whether the bucket of this version of its original is in the store. A
// store that does not answer has none.
func (f *Finder) HasBucket(ctx context.Context, b bucket.Bucket, version string) bool {
	ctx, cancel := context.WithTimeout(ctx, headBound)
	defer cancel()
	info, err := f.config.Thumbnails.Head(ctx, b.Key)
	return err == nil && b.IsIn(info.Meta, version)
}
