package obtain

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// asIs opens originals that the edge serves as they are.
type asIs struct {
	heads     Heads
	originals Opener
	largest   int64 // bytes
	metrics   metrics
}

func (a asIs) open(ctx context.Context, at thumbnail.Location) (Thumb, error) {
	began := time.Now()
	times := Times{}
	_, err := a.heads.Head(ctx, at) // remembers absent originals, and asks the store once for several requests
	times.add("head", began, a.metrics)
	if err != nil {
		return Thumb{Times: times}, err
	}
	object, info, err := a.originals.Open(ctx, at)
	switch {
	case errors.Is(err, objectstore.ErrNotFound):
		return Thumb{Times: times}, fault.New(fault.Absent, "the original was deleted")
	case err != nil:
		return Thumb{Times: times}, fault.Wrap(err, fault.OriginalStore, "cannot read the original: ask again later")
	case info.Size > a.largest:
		return Thumb{Times: times}, errors.Join(fault.New(fault.TooLarge, "the original has %d bytes, and at most %d are served", info.Size, a.largest).Remedied("raise renderer.max_original_bytes"), object.Close())
	}
	meta := objectstore.Meta{ETag: strings.Trim(strings.TrimPrefix(info.Version, "W/"), `"`), Rendered: info.Modified}
	return Thumb{Meta: meta, Object: object, Source: Original, Times: times}, nil
}
