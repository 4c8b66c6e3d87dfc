// Package obtain gets a thumbnail from the store, or from a renderer when the store does not have it.
// It is the path of a request in docs/concepts.md:
//
//	look up → join the flight → (its leader:) head → failure memory → admit →
//	look up again → publish → wait for the result → answer → wait until stored
//
// Each step is a file, and passes the flight on to the next one. obtain.go looks up and joins,
// leader.go asks for the head and the failure memory, admit.go asks package places, granted.go looks
// up again, and render.go goes from the job to the stored thumbnail. The lease ends when the
// thumbnail is stored; after a failure, it ends before the answer.
package obtain

import (
	"context"
	"errors"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/flight"
	"github.com/thumbmill/thumbmill/edge/internal/stored"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Request is one client's request for a thumbnail.
type Request struct {
	ID     string // in every log line and in the job
	Trace  string // the trace of the request, as a traceparent header
	Client string // for the throttles
	Target target.Target
	// Bulk renders the thumbnail in advance: the job waits behind thumbnails that clients wait for.
	Bulk bool
	// Renew renders a stored thumbnail again when the current rules would render it differently.
	Renew bool
	// Looked says that AtHand did not find the thumbnail a moment ago.
	Looked bool
}

// Thumb is an answer. Image has the picture, or the caller reads it from Object and closes Object.
type Thumb struct {
	Meta   objectstore.Meta
	Image  []byte
	Object objectstore.Object
	Source Source
	Key    thumbnail.Location // the key of another size than the requested one; else zero
	Times  Times
	// Passing is true when the original was purged during the request: no cache may keep the answer.
	Passing bool
	// Unsure: it could not be compared with its original, so that caches may keep it for a short
	// time only.
	Unsure bool
}

// Source says where a thumbnail came from.
type Source string

// The sources; labels of metrics.
const (
	Hit      Source = "hit"      // the store had the thumbnail
	Rendered Source = "rendered" // a renderer rendered it for the request's flight
	Shared   Source = "shared"   // a renderer rendered it for another edge's flight
	Nearest  Source = "nearest"  // the store had another size of a thumbnail that a throttle refused
	Original Source = "original" // an object that the edge serves as it is
)

// rounds bounds the attempts of a flight. A flight tries again when another flight's render ended
// and the store does not have the thumbnail.
const rounds = 3

// Obtainer gets thumbnails.
type Obtainer struct {
	heads    Heads
	stored   Stored
	flights  *flight.Group[Thumb]
	deadline time.Duration // bounds a flight
	leading  *leading
	sizes    *sizes
	widths   *ownWidths
	asIs     asIs
	metrics  metrics
}

// New returns an obtainer. The caller must stop it.
func New(c Config) *Obtainer {
	e := c.Settings.Edge
	flights := flight.New[Thumb](e.MaxWaiters, e.MaxWaitersPerClient)
	m := newMetrics(c.Metrics, flights.Counts)
	widths := newOwnWidths(e.Revalidate)
	return &Obtainer{
		heads: c.Heads, stored: c.Stored, flights: flights, deadline: e.Deadline, metrics: m,
		leading: newLeading(c, widths, m), sizes: newSizes(c), widths: widths,
		asIs: asIs{c.Heads, c.Originals, int64(c.Settings.Renderer.MaxOriginalBytes), m}, //nolint:gosec // bounded by settings
	}
}

// Stop waits for the flights to end.
func (o *Obtainer) Stop(ctx context.Context) error {
	defer o.widths.close()
	return o.flights.Stop(ctx)
}

// Forget drops everything that the edge remembers of an original. Later requests do not join a
// flight that began earlier.
func (o *Obtainer) Forget(original thumbnail.Location) {
	o.heads.Forget(original)
	o.stored.Forget(original)
	o.widths.forget(original)
	o.flights.Forget(flightPrefix(original))
}

// ForgetAll is Forget for all originals.
func (o *Obtainer) ForgetAll() {
	o.heads.ForgetAll()
	o.stored.ForgetAll()
	o.widths.forgetAll()
	o.flights.Forget("")
}

// AtHand returns a thumbnail that this machine has in memory or in a local store. Most requests end
// here.
func (o *Obtainer) AtHand(ctx context.Context, t target.Target) (Thumb, bool) {
	hit, ok := o.stored.AtHand(ctx, t)
	return found(hit, Hit, nil), ok
}

// RefuseAtOnce returns the fault of a refusal for a thumbnail that AtHand did not find a moment ago, or nil. It returns nil
// where a refused client gets another size.
func (o *Obtainer) RefuseAtOnce(r Request) error {
	if o.sizes.enabled || !o.stored.IsLocal() {
		return nil
	}
	return o.refuseFull(r, false)
}

// Original opens an object of the store of originals, which the edge serves as it is. ctx must
// outlive the reading. Faults: Absent, OriginalStore, TooLarge.
func (o *Obtainer) Original(ctx context.Context, at thumbnail.Location) (Thumb, error) {
	return o.asIs.open(ctx, at)
}

// Obtain returns a thumbnail, or a fault. ctx must outlive the reading of the thumbnail's object. The fault
// OddSize means that the width is not the original's own, for a target with Odd.
func (o *Obtainer) Obtain(ctx context.Context, r Request) (Thumb, error) {
	since := o.stored.Purges()
	thumb, err := o.findOrRender(ctx, r)
	switch {
	case err == nil:
		thumb.Passing = o.stored.Purged(since, r.Target.Spec.Original)
		return thumb, nil
	case fault.Is(err, fault.OddSize) && o.stored.Purged(since, r.Target.Spec.Original):
		o.widths.forget(r.Target.Spec.Original) // a renderer may have measured the file before the purge
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
	times, source, passed := Times{}, Hit, false
	if r.Looked && o.stored.IsLocal() { // a full lane refuses before the second look
		if err := o.refuseFull(r, true); err != nil {
			return Thumb{Times: times}, err
		}
		passed = true
	}
	for range rounds {
		began := time.Now()
		hit, err := o.stored.Find(ctx, r.Target, r.Renew)
		times.add("lookup", began, o.metrics)
		if err == nil {
			return found(hit, source, times), nil
		}
		if !errors.Is(err, objectstore.ErrNotFound) {
			return Thumb{}, fault.Wrap(err, fault.ThumbStore, "cannot read the store of thumbnails: ask again later")
		}
		if err := o.widths.check(r.Target); err != nil {
			return Thumb{Times: times}, err
		}
		if !passed {
			if err := o.refuseFull(r, true); err != nil {
				return Thumb{Times: times}, err
			}
		}
		thumb, err := o.joinFlight(ctx, r)
		if err != nil || thumb.Image != nil {
			thumb.Times = times.plus(thumb.Times)
			return thumb, err
		}
		times, source = times.plus(thumb.Times), thumb.Source // the next round finds it in the store
	}
	return Thumb{}, fault.New(fault.ThumbStore, "a renderer stored the thumbnail, and the store does not have it: ask again later")
}

func found(hit stored.Hit, from Source, times Times) Thumb {
	return Thumb{Meta: hit.Meta, Image: hit.Image, Object: hit.Object, Source: from, Times: times, Unsure: hit.Unsure}
}

// refuseFull returns the fault of a refusal for a request whose lane or whose client's line is full, and that would begin
// a flight. If asks, the request begins one next, unless it is refused. The edge knows the lane as far as the URL tells.
func (o *Obtainer) refuseFull(r Request, asks bool) error {
	if r.Bulk || o.flights.Has(flightKey(r)) {
		return nil
	}
	return o.leading.next.refuseFull(r, asks)
}

// joinFlight waits for the answer of the thumbnail's flight. Without a flight, the request begins and
// leads one. A client's request does not join a flight of bulk work, which waits behind clients.
func (o *Obtainer) joinFlight(ctx context.Context, r Request) (Thumb, error) {
	thumb, err := o.flights.Do(ctx, flightKey(r), r.Client, func(ctx context.Context, f *flight.Flight[Thumb], client string) error {
		ctx, cancel := context.WithTimeout(ctx, o.deadline)
		defer cancel()
		return o.leading.lead(ctx, &leader{flight: f, request: r, client: client, times: Times{}})
	})
	if errors.Is(err, flight.ErrManyOfClient) {
		o.leading.throttles.TurnAway(work{request: r, client: r.Client}.admission(), lease.Full)
	}
	return thumb, err
}

// flightKey names the flight of a request.
func flightKey(r Request) string {
	key := flightPrefix(r.Target.Spec.Original) + r.Target.Key.Container + "\x00" + r.Target.Key.Path
	if r.Bulk {
		key += "\x00bulk"
	}
	return key
}

func flightPrefix(original thumbnail.Location) string { return original.String() + "\x00" }
