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
	// nearestAtOnce bounds the lists that refusals cause: one costs the store more than a
	// refusal costs us.
	nearestAtOnce = 8
	nearestWithin = time.Second
	nearestTries  = 4 // of sizes that turn out to be stale
)

// nearest finds another size of a thumbnail that a throttle refused: the nearest larger
// one, else the nearest smaller one. ok is false where there is none, or too many ask.
func (o *Obtainer) nearest(ctx context.Context, t target.Target, refusal error) (thumb Thumb, ok bool) {
	if !o.Settings.Edge.Nearest || fault.Of(refusal).Throttle == "" || t.Kin == (target.Kin{}) {
		return Thumb{}, false
	}
	select {
	case o.listing <- struct{}{}:
		defer func() { <-o.listing }()
	default:
		return Thumb{}, false
	}
	listing, cancel := context.WithTimeout(ctx, nearestWithin)
	defer cancel()
	all, err := o.Thumbnails.List(listing, thumbnail.Location{Container: t.Key.Container, Path: t.Kin.Before}, "")
	if err != nil {
		return Thumb{}, false
	}
	kin := bySize(all, t)
	for _, other := range kin[:min(len(kin), nearestTries)] {
		there := t
		there.Key = other
		there.Spec.Width, there.Spec.Height, _ = t.Kin.Size(other.Path)
		hit, err := o.Stored.Find(ctx, there, false) // which ctx outlives, since it is read from
		if err == nil {
			return Thumb{Meta: hit.Meta, Image: hit.Image, Object: hit.Object, Source: Nearest, Key: other}, true
		}
		if !errors.Is(err, objectstore.ErrNotFound) {
			break
		}
	}
	return Thumb{}, false
}

// bySize sorts those of the kin that have the same proportions: the larger ones first,
// each nearest first.
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

// smaller is above all differences of larger sizes.
const smaller = 1 << 24

// proportional reports whether two boxes cut the same part of a picture, within a pixel
// of rounding. A side of 0 is in proportion.
func proportional(w, h, width, height int) bool {
	if (w == 0) != (width == 0) || (h == 0) != (height == 0) {
		return false
	}
	return w == 0 || h == 0 || max(w*height-h*width, h*width-w*height) <= max(w, width, h, height)
}
