// Package obtain gets a thumbnail: from the store when it is there, else by
// having it rendered. It is the way of a request, as DESIGN.md tells it:
//
//	look up → join the flight → (its leader:) head → failure memory → admit →
//	look up again → publish → wait for the result → answer → wait until stored
//
// Each step is a file, and hands the flight on to the next: obtain.go looks up and joins,
// leader.go asks for the head and the failure memory, admit.go for the places, granted.go
// looks once more, render.go goes from the job to the stored thumbnail. The lease ends when the thumbnail is stored; of a failure, before the answer.
package obtain

import (
	"context"
	"errors"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/flight"
	"github.com/thumbmill/thumbmill/edge/internal/stored"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Request is one client's wish.
type Request struct {
	ID     string // in every log line and in the job
	Trace  string // that it is part of, as the job's header has it
	Client string // for the throttles
	Target target.Target
	// Bulk work waits behind what clients wait for.
	Bulk bool
	// Renew asks for a new render of a thumbnail that today's rules would render otherwise.
	Renew bool
}

// Thumb is an answer. Either Image holds the picture, or Object does, which the
// caller closes.
type Thumb struct {
	Meta   objectstore.Meta
	Image  []byte
	Object objectstore.Object
	Source Source
	Key    thumbnail.Location // of the size that is given, where it is not the one asked for
	Times  Times
	// Passing: the original was purged meanwhile, so that no cache may keep this answer.
	Passing bool
	// Unsure: it could not be compared with its original, so that caches may keep it for a short
	// time only.
	Unsure bool
}

// Source says where a thumbnail came from.
type Source string

// The sources; labels of metrics.
const (
	Hit      Source = "hit"      // it was in the store
	Rendered Source = "rendered" // this request's flight had it rendered
	Shared   Source = "shared"   // another edge's flight did
	Nearest  Source = "nearest"  // it is another size of what a throttle refused
	Original Source = "original" // it is no thumbnail: an object that is served as it is
)

// rounds is how often a flight starts over when another's work turns out not to be there.
const rounds = 3

// Obtainer gets thumbnails.
type Obtainer struct {
	heads    Heads
	stored   Stored
	flights  *flight.Group[Thumb]
	deadline time.Duration // of a flight
	leading  *leading
	sizes    *sizes
	asIs     asIs
	metrics  metrics
}

// New makes an obtainer.
func New(c Config) *Obtainer {
	e := c.Settings.Edge
	flights := flight.New[Thumb](e.MaxWaiters, e.MaxWaitersPerClient)
	m := newMetrics(c.Metrics, flights.Counts)
	return &Obtainer{
		heads: c.Heads, stored: c.Stored, flights: flights, deadline: e.Deadline, metrics: m,
		leading: newLeading(c, m), sizes: newSizes(c),
		asIs: asIs{c.Heads, c.Originals, int64(c.Settings.Renderer.MaxOriginalBytes), m}, //nolint:gosec // bounded by settings
	}
}

// Stop waits for the flights to end.
func (o *Obtainer) Stop(ctx context.Context) error { return o.flights.Stop(ctx) }

// Forget makes what is known of an original void. Requests that come from now on join no
// flight that began before.
func (o *Obtainer) Forget(original thumbnail.Location) {
	o.heads.Forget(original)
	o.stored.Forget(original)
	o.flights.Forget(flightPrefix(original))
}

// ForgetAll is Forget for all originals.
func (o *Obtainer) ForgetAll() {
	o.heads.ForgetAll()
	o.stored.ForgetAll()
	o.flights.Forget("")
}

// AtHand gives a thumbnail that this machine has: most requests are for such.
func (o *Obtainer) AtHand(ctx context.Context, t target.Target) (Thumb, bool) {
	hit, ok := o.stored.AtHand(ctx, t)
	return found(hit, Hit, nil), ok
}

// Original opens an object of the store of originals, to be served as it is. ctx must
// outlive the reading. Faults: Absent, OriginalStore, TooLarge.
func (o *Obtainer) Original(ctx context.Context, at thumbnail.Location) (Thumb, error) {
	return o.asIs.open(ctx, at)
}

// Obtain gets a thumbnail or says by a fault why not.
func (o *Obtainer) Obtain(ctx context.Context, r Request) (Thumb, error) {
	since := o.stored.Purges()
	thumb, err := o.findOrRender(ctx, r)
	switch {
	case err == nil:
		thumb.Passing = o.stored.Purged(since, r.Target.Spec.Original)
		return thumb, nil
	case r.Bulk:
		return thumb, err
	}
	if other, ok := o.sizes.nearest(ctx, r.Target, err); ok {
		other.Times = thumb.Times
		return other, nil
	}
	return thumb, err
}

func (o *Obtainer) findOrRender(ctx context.Context, r Request) (Thumb, error) {
	times, source := Times{}, Hit
	for range rounds {
		began := time.Now()
		hit, err := o.stored.Find(ctx, r.Target, r.Renew)
		times.add("lookup", began, o.metrics)
		if err == nil {
			return found(hit, source, times), nil
		}
		if !errors.Is(err, objectstore.ErrNotFound) {
			return Thumb{}, fault.Wrap(err, fault.ThumbStore, "the store of thumbnails does not answer")
		}
		thumb, err := o.joinFlight(ctx, r)
		if err != nil || thumb.Image != nil {
			thumb.Times = times.plus(thumb.Times)
			return thumb, err
		}
		times, source = times.plus(thumb.Times), thumb.Source // it is in the store
	}
	return Thumb{}, fault.New(fault.ThumbStore, "the thumbnail was stored and is not there")
}

func found(hit stored.Hit, from Source, times Times) Thumb {
	return Thumb{Meta: hit.Meta, Image: hit.Image, Object: hit.Object, Source: from, Times: times, Unsure: hit.Unsure}
}

// joinFlight waits for what the flight of this thumbnail brings, and leads it where there is
// none. A client does not join bulk work, which waits behind clients.
func (o *Obtainer) joinFlight(ctx context.Context, r Request) (Thumb, error) {
	key := flightPrefix(r.Target.Spec.Original) + r.Target.Key.Container + "\x00" + r.Target.Key.Path
	if r.Bulk {
		key += "\x00bulk"
	}
	return o.flights.Do(ctx, key, r.Client, func(ctx context.Context, f *flight.Flight[Thumb], client string) error {
		ctx, cancel := context.WithTimeout(ctx, o.deadline)
		defer cancel()
		return o.leading.lead(ctx, &leader{flight: f, request: r, client: client, times: Times{}})
	})
}

func flightPrefix(original thumbnail.Location) string { return original.String() + "\x00" }
