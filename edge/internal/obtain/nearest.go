package obtain

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// nearestAtOnce bounds the listings that refusals cause, because a listing costs the store more
	// than a refusal costs the edge.
	nearestAtOnce = 8
	nearestWithin = time.Second
	nearestTries  = 4 // sizes that firstCurrent looks at, because some are stale
)

// sizes finds other sizes of thumbnails.
type sizes struct {
	enabled    bool // edge.nearest
	thumbnails Lister
	stored     Stored
	listing    chan struct{} // has an element for each listing under way
}

func newSizes(c Config) *sizes {
	return &sizes{enabled: c.Settings.Edge.Nearest, thumbnails: c.Thumbnails, stored: c.Stored, listing: make(chan struct{}, nearestAtOnce)}
}

// nearest returns another size of a thumbnail that a throttle refused: the next larger stored size,
// else the next smaller one. ok is false when the store has no other size, or when nearestAtOnce
// searches run already.
func (s *sizes) nearest(ctx context.Context, t target.Target, refusal error) (thumb Thumb, ok bool) {
	if !s.enabled || fault.Of(refusal).Throttle == "" || t.Kin == (target.Kin{}) {
		return Thumb{}, false
	}
	select {
	case s.listing <- struct{}{}:
		defer func() { <-s.listing }()
	default:
		return Thumb{}, false
	}
	listing, cancel := context.WithTimeout(ctx, nearestWithin)
	defer cancel()
	all, err := s.thumbnails.List(listing, thumbnail.Location{Container: t.Key.Container, Path: t.Kin.Before}, "")
	if err != nil {
		return Thumb{}, false
	}
	kin := bySize(all, t)
	return s.firstCurrent(ctx, t, kin[:min(len(kin), nearestTries)]) // ctx, not listing: the caller reads the hit later
}

// firstCurrent returns the first of the kin that is stored and not stale.
func (s *sizes) firstCurrent(ctx context.Context, t target.Target, kin []thumbnail.Location) (Thumb, bool) {
	for _, other := range kin {
		there := t
		there.Key = other
		there.Spec.Width, there.Spec.Height, _ = t.Kin.Size(other.Path)
		hit, err := s.stored.Find(ctx, there, false)
		if err == nil {
			thumb := found(hit, Nearest, nil)
			thumb.Key = other
			return thumb, true
		}
		if !errors.Is(err, objectstore.ErrNotFound) {
			break
		}
	}
	return Thumb{}, false
}

// bySize returns the thumbnails of all that have t's proportions: first the larger ones, then the
// smaller ones, each beginning with the size nearest to t's.
func bySize(all []thumbnail.Location, t target.Target) (kin []thumbnail.Location) {
	distance := map[thumbnail.Location]int{}
	for _, at := range all {
		w, h, ok := t.Kin.Size(at.Path)
		if !ok || at == t.Key || !proportional(w, h, t.Spec.Width, t.Spec.Height) {
			continue
		}
		d := w + h - t.Spec.Width - t.Spec.Height
		if d < 0 {
			d = smaller - d
		}
		distance[at] = d
		kin = append(kin, at)
	}
	slices.SortFunc(kin, func(a, b thumbnail.Location) int { return distance[a] - distance[b] })
	return kin
}

// smaller is added to the distance of smaller sizes. It exceeds every distance of a larger size.
const smaller = 1 << 24

// proportional reports whether two boxes cut the same part of a picture, with one pixel of rounding.
// A side of 0 follows from the other side, so the same side must be 0 in both boxes.
func proportional(w, h, width, height int) bool {
	if (w == 0) != (width == 0) || (h == 0) != (height == 0) {
		return false
	}
	return w == 0 || h == 0 || max(w*height-h*width, h*width-w*height) <= max(w, width, h, height)
}
