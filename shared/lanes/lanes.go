// Package lanes is the rules of the lanes: which lane a render goes by, how many of a
// renderer's slots a lane may take, how many renders of a lane the coordinator admits, and
// how long its line may be.
//
// The edge chooses and admits by them, the renderer corrects the choice once it has seen
// the original, and the simulator plans by them, so that a plan cannot drift from the
// cluster.
//
// Three rules decide, the first that applies:
//
//  1. Work that nobody waits for goes by bulk.
//  2. Renders that may take long go by expensive: those of an expensive type
//     (throttle.expensive.types), those of drawings and animations, whose bytes do not tell
//     how long they take, and those of an original of LongBytes or more. So a drawing such
//     as an SVG runs in the expensive lane though it is not of an expensive type, and does
//     not count in the pool of one.
//  3. All others go by standard. The renderer sends one back to go by expensive when the
//     original turns out to be a drawing, or to have more than LongArea pixels.
package lanes

import (
	"slices"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// LongBytes is the size of an original, in bytes, from which a render takes long,
	// whatever the type.
	LongBytes = 100 << 20
	// LongArea is the number of pixels, over all frames, beyond which a render takes long,
	// however few the bytes: about a second of decoding on one core.
	LongArea = 50_000_000
)

const (
	// DeadAfter is for how long a renderer may be silent before edges take it for dead: three
	// heartbeats.
	DeadAfter = 3 * renderjob.HeartbeatEvery
	// PlacesKept is for how long edges keep a dead renderer's places in the lanes' pools: until
	// the jobs that it had in hand come to others.
	PlacesKept = DeadAfter + deadline.AckWait
)

// Work is what decides about a render's lane before its original is read.
type Work struct {
	Types     []thumbnail.Type // of the original and of the pictures that filters name, by their names
	Expensive bool             // one of Types is an expensive type
	Bytes     int64            // of the original
	Bulk      bool             // nobody waits for it
}

// For chooses the lane of a render.
func For(w Work) renderjob.Lane {
	switch {
	case w.Bulk:
		return renderjob.LaneBulk
	case w.Expensive, w.Bytes >= LongBytes, slices.ContainsFunc(w.Types, Unforeseeable):
		return renderjob.LaneExpensive
	}
	return renderjob.LaneStandard
}

// Misplaced reports whether a render in the standard lane turns out to take long, now that
// the original is read: its name did not tell that it is a drawing, or one of the pictures
// has more than LongArea pixels.
func Misplaced(lane renderjob.Lane, named, found thumbnail.Type, areas ...int64) bool {
	if lane != renderjob.LaneStandard {
		return false
	}
	hidden := named == thumbnail.TypeUnknown && Unforeseeable(found)
	return hidden || slices.ContainsFunc(areas, func(area int64) bool { return area > LongArea })
}

// Unforeseeable reports whether neither the bytes nor the header of an original of this
// type tell how long it takes to draw: drawings and animations, of which a kilobyte can
// take hours.
func Unforeseeable(t thumbnail.Type) bool {
	switch t {
	case thumbnail.TypeSVG, thumbnail.TypeGIF, thumbnail.TypePDF, thumbnail.TypeDjVu, thumbnail.TypeXCF, thumbnail.TypeSTL, thumbnail.TypeVideo:
		return true
	}
	return false
}

// Shared reports whether a render can be done together with others of its original: one that
// reads no other picture, of an original that is decoded once for all sizes. A drawing, a page
// or a frame is drawn anew for each size, and none tells how long that takes.
func Shared(s thumbnail.Spec) bool { return !Unforeseeable(s.Type) && len(s.Pictures()) == 0 }

// Slots is how many of so many slots a lane may take at once: all of them for the standard
// lane, half, and at least one, for the others.
func Slots(lane renderjob.Lane, slots int) int {
	if lane == renderjob.LaneStandard {
		return slots
	}
	return max(1, slots/2)
}

// Places is the size of a lane's pool at the coordinator, for renderers with so many slots
// in all: one and a half times the slots that serve the lane, rounded up, so that renderers
// always find a next job while the queue behind the pool stays nearly empty.
func Places(lane renderjob.Lane, slots int) int {
	return (Slots(lane, slots)*3 + 1) / 2
}
