package stored

import (
	"context"

	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/deadline"
)

// HasBucket reports whether the store has the bucket for this version of its original. It returns
// false when the store does not answer within deadline.Head.
func (f *Finder) HasBucket(ctx context.Context, b bucket.Bucket, version string) bool {
	ctx, cancel := context.WithTimeout(ctx, deadline.Head)
	defer cancel()
	info, err := f.config.Thumbnails.Head(ctx, b.Key)
	return err == nil && b.IsIn(info.Meta, version)
}
