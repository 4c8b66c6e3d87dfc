// Package lanes has the rules of the lanes: the lane of a render, the slots of a renderer that a lane
// may use, the renders of a lane that the coordinator admits, and the length of its line. The edge
// chooses lanes and admits by these rules, the renderer corrects a lane once it has seen the original,
// and the simulator plans with the same rules.
//
// The first rule that applies decides:
//
//  1. Work that no client waits for goes into bulk.
//  2. Renders that certainly take long go into bulk too, and start slow (renderjob.Job.Slow): they are drawn beside
//     a renderer's slots, where they hold up no other render. Such a render has an estimated processor time of
//     LongCost or more, such as a WebP of 6 megapixels, or it is of the expensive lane and its client took more
//     than its share of that lane (ClientShare).
//  3. Renders that may take long go into expensive: renders of an expensive type
//     (throttle.expensive.types), renders of drawings and animations, whose size does not
//     predict their duration, and renders of an original of LongBytes or more. A drawing such
//     as an SVG therefore runs in the expensive lane even if its type is not expensive, and
//     does not count in the pool of a type.
//  4. All others go into standard. A render from a larger stored thumbnail goes into standard too. The renderer sends a render on to expensive if the original
//     is a drawing or has more than LongArea pixels.
package lanes

import (
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// LongBytes is the size in bytes of the smallest original that takes long for any type.
	LongBytes = 100 << 20
	// LongArea is the largest number of pixels, over all frames, of a render that does not take long: about a
	// second of decoding on one core. The size in bytes does not matter.
	LongArea = 50_000_000
	// LongCost is the least estimated processor time of a render that takes long for any original: far more than
	// the milliseconds of a usual render, which would wait behind it.
	LongCost = time.Second
)

const (
	// DeadAfter is the silence of a renderer after which edges count it as dead: three heartbeats.
	DeadAfter = 3 * renderjob.HeartbeatEvery
	// UnreportedFor is the time without an edge's report of a renderer after which coordinators count it as
	// dead: more than DeadAfter and the second between two reports of an edge.
	UnreportedFor = 2 * DeadAfter
	// PlacesKept is the time for which edges keep a dead renderer's places in the lanes' pools: until
	// its jobs come to other renderers.
	PlacesKept = DeadAfter + deadline.AckWait
)

// Work describes a render before its original is read.
type Work struct {
	Types     []thumbnail.Type // of the original and of the pictures in filters, by their names
	Expensive bool             // one of Types is an expensive type
	Bytes     int64            // of the original
	Cost      time.Duration    // the estimated processor time of the render; 0 = unknown
	Greedy    bool             // its client took more than ClientShare of the expensive lane
	Bulk      bool             // no client waits
}

// For returns the lane of a render, and whether the render starts slow.
func For(w Work) (lane renderjob.Lane, slow bool) {
	expensive := w.Expensive || w.Bytes >= LongBytes || slices.ContainsFunc(w.Types, Unforeseeable)
	switch {
	case w.Bulk:
		return renderjob.LaneBulk, false
	case w.Cost >= LongCost, expensive && w.Greedy:
		return renderjob.LaneBulk, true
	case expensive:
		return renderjob.LaneExpensive, false
	}
	return renderjob.LaneStandard, false
}

// ClientShare is the part of the expensive lane's processor time that one client's renders may take before its
// next ones start slow: with one slot, two seconds a minute.
const ClientShare = 1. / 32

// SlowSlots returns the number of slow renders that a renderer with the given number of slots draws at once, beside
// its slots: as many as it pulls from their lane.
func SlowSlots(slots int) int { return Slots(renderjob.LaneBulk, slots) }

// WithBucket returns the lane of a render that reads a larger stored thumbnail in place of its original, and therefore
// does not start slow.
func WithBucket(lane renderjob.Lane, slow bool) renderjob.Lane {
	if slow || lane == renderjob.LaneExpensive {
		return renderjob.LaneStandard
	}
	return lane
}

// Misplaced reports whether a render in the standard lane takes long after all. The renderer asks once
// it has read the original: the name may have hidden a drawing, or one of the pictures may have more
// than LongArea pixels.
func Misplaced(lane renderjob.Lane, named, found thumbnail.Type, areas ...int64) bool {
	if lane != renderjob.LaneStandard {
		return false
	}
	hidden := named == thumbnail.TypeUnknown && Unforeseeable(found)
	return hidden || slices.ContainsFunc(areas, func(area int64) bool { return area > LongArea })
}

// Unforeseeable reports whether neither the size nor the header of an original of this type predicts
// the duration of a render. This is so for drawings and animations: a kilobyte can take hours.
func Unforeseeable(t thumbnail.Type) bool {
	switch t {
	case thumbnail.TypeSVG, thumbnail.TypeGIF, thumbnail.TypePDF, thumbnail.TypeDjVu, thumbnail.TypeXCF, thumbnail.TypeSTL, thumbnail.TypeVideo:
		return true
	}
	return false
}

// Shared reports whether other renders of the same original can share the fetch and the decode. The
// spec must draw no text and name no other picture, and the type must be decoded once for all sizes. A drawing, a page
// or a frame is drawn again for each size, in an unknown time. ownWidth is Job.OwnWidthOnly: such a job may
// end before its render.
func Shared(s thumbnail.Spec, ownWidth bool) bool {
	return !ownWidth && !Unforeseeable(s.Type) && len(s.Pictures()) == 0 && len(s.Texts()) == 0
}

// Slots returns the number of a renderer's slots that a lane may use at once: all for the standard
// lane, half for the others, at least one.
func Slots(lane renderjob.Lane, slots int) int {
	if lane == renderjob.LaneStandard {
		return slots
	}
	return max(1, slots/2)
}

// Places returns the size of a lane's pool at the coordinator, for renderers with the given number of
// slots together. It is one and a half times the slots of the lane, rounded up: renderers always find a
// next job, and the queue behind the pool stays nearly empty.
func Places(lane renderjob.Lane, slots int) int {
	return (Slots(lane, slots)*3 + 1) / 2
}
