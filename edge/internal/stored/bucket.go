package stored

import (
	"context"

	"github.com/thumbmill/thumbmill/shared/bucket"
)

// HasBucket reports whether the store has the bucket for this version of its original. It returns
// false when the store does not answer within headBound.
func (f *Finder) HasBucket(ctx context.Context, b bucket.Bucket, version string) bool {
	ctx, cancel := context.WithTimeout(ctx, headBound)
	defer cancel()
	info, err := f.config.Thumbnails.Head(ctx, b.Key)
	return err == nil && b.IsIn(info.Meta, version)
}
