// Package obtain gets a thumbnail: from the store when it is there, else by
// having it rendered. It is the way of a request, as DESIGN.md tells it:
//
//	look up → join the flight → (its leader:) head → failure memory → admit →
//	look up again → publish → wait for the result → answer → wait until stored
//
// The look-up after the admission closes a gap: another edge may have stored the
// thumbnail between the first look and the grant. The lease ends when the thumbnail
// is stored; of a failure, before the answer.
package obtain

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/backlog"
	"github.com/thumbmill/thumbmill/edge/internal/cost"
	"github.com/thumbmill/thumbmill/edge/internal/dispatch"
	"github.com/thumbmill/thumbmill/edge/internal/failure"
	"github.com/thumbmill/thumbmill/edge/internal/fleet"
	"github.com/thumbmill/thumbmill/edge/internal/flight"
	"github.com/thumbmill/thumbmill/edge/internal/originals"
	"github.com/thumbmill/thumbmill/edge/internal/stored"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
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
	// Renew has a thumbnail rendered again that today's rules would render otherwise.
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

// Config is what an obtainer is made of.
type Config struct {
	Settings   settings.Settings
	Thumbnails objectstore.Store
	Originals  objectstore.Store
	Heads      *originals.Heads
	Stored     *stored.Finder
	Failures   *failure.Memory
	Fleet      *fleet.Fleet
	Admitter   *admission.Admitter
	Dispatcher *dispatch.Dispatcher
	Lanes      *backlog.Watcher
	Log        *slog.Logger
	Metrics    prometheus.Registerer
}

// Obtainer gets thumbnails.
type Obtainer struct {
	Config
	flights *flight.Group[Thumb]
	listing chan struct{} // places of those who look for other sizes
	costs   cost.Book
	metrics metrics
}

const (
	rounds = 3 // how often a flight starts over when another's work turns out not to be there
)

// New makes an obtainer.
func New(c Config) *Obtainer {
	o := &Obtainer{
		Config:  c,
		flights: flight.New[Thumb](c.Settings.Edge.MaxWaiters, c.Settings.Edge.MaxWaitersPerClient),
		listing: make(chan struct{}, nearestAtOnce),
	}
	o.metrics = newMetrics(c.Metrics, o.flights.Counts)
	return o
}

// Stop waits for the flights to end.
func (o *Obtainer) Stop(ctx context.Context) error { return o.flights.Stop(ctx) }

// Forget makes what is known of an original void, and lets who comes from now on join no
// flight that began before.
func (o *Obtainer) Forget(original thumbnail.Location) {
	o.Heads.Forget(original)
	o.Stored.Forget(original)
	o.flights.Forget(flightPrefix(original))
}

// AtHand gives a thumbnail that this machine has: most requests are for such.
func (o *Obtainer) AtHand(ctx context.Context, t target.Target) (Thumb, bool) {
	hit, ok := o.Stored.AtHand(ctx, t)
	return Thumb{Meta: hit.Meta, Image: hit.Image, Object: hit.Object, Source: Hit}, ok
}

// ForgetAll is Forget for all originals.
func (o *Obtainer) ForgetAll() {
	o.Heads.ForgetAll()
	o.Stored.ForgetAll()
	o.flights.Forget("")
}

// Obtain gets a thumbnail or says by a fault why not.
func (o *Obtainer) Obtain(ctx context.Context, r Request) (Thumb, error) {
	since := o.Stored.Purges()
	thumb, err := o.obtain(ctx, r)
	if err == nil {
		thumb.Passing = o.Stored.Purged(since, r.Target.Spec.Original)
		return thumb, nil
	}
	if r.Bulk {
		return thumb, err
	}
	if other, ok := o.nearest(ctx, r.Target, err); ok {
		other.Times = thumb.Times
		return other, nil
	}
	return thumb, err
}

func (o *Obtainer) obtain(ctx context.Context, r Request) (Thumb, error) {
	times, source := Times{}, Hit
	for range rounds {
		began := time.Now()
		hit, err := o.Stored.Find(ctx, r.Target, r.Renew)
		times.add("lookup", began, o.metrics)
		if err == nil {
			return Thumb{Meta: hit.Meta, Image: hit.Image, Object: hit.Object, Source: source, Times: times}, nil
		}
		if !errors.Is(err, objectstore.ErrNotFound) {
			return Thumb{}, fault.Wrap(err, fault.ThumbStore, "the store of thumbnails does not answer")
		}
		thumb, err := o.join(ctx, r)
		if err != nil || thumb.Image != nil {
			thumb.Times = times.plus(thumb.Times)
			return thumb, err
		}
		times, source = times.plus(thumb.Times), thumb.Source // it is in the store
	}
	return Thumb{}, fault.New(fault.ThumbStore, "the thumbnail was stored and is not there")
}

// Original opens an object of the store of originals, to be served as it is. ctx must
// outlive the reading. Faults: Absent, OriginalStore.
func (o *Obtainer) Original(ctx context.Context, at thumbnail.Location) (Thumb, error) {
	began := time.Now()
	times := Times{}
	_, err := o.Heads.Head(ctx, at) // which knows what is absent, and asks once for all
	times.add("head", began, o.metrics)
	if err != nil {
		return Thumb{Times: times}, err
	}
	object, info, err := o.Originals.Open(ctx, at)
	if errors.Is(err, objectstore.ErrNotFound) {
		return Thumb{Times: times}, fault.New(fault.Absent, "the original was deleted")
	}
	if err != nil {
		return Thumb{Times: times}, fault.Wrap(err, fault.OriginalStore, "the original could not be read")
	}
	if uint64(max(info.Size, 0)) > uint64(o.Settings.Renderer.MaxOriginalBytes) {
		return Thumb{Times: times}, errors.Join(fault.New(fault.TooLarge, "the original is larger than any that is served"), object.Close())
	}
	meta := objectstore.Meta{ETag: strings.Trim(strings.TrimPrefix(info.Version, "W/"), `"`), Rendered: info.Modified}
	return Thumb{Meta: meta, Object: object, Source: Original, Times: times}, nil
}

func (o *Obtainer) join(ctx context.Context, r Request) (Thumb, error) {
	key := flightPrefix(r.Target.Spec.Original) + r.Target.Key.Container + "\x00" + r.Target.Key.Path
	if r.Bulk { // a client does not join what waits behind clients
		key += "\x00bulk"
	}
	return o.flights.Do(ctx, key, r.Client, func(ctx context.Context, f *flight.Flight[Thumb], client string) error {
		ctx, cancel := context.WithTimeout(ctx, o.Settings.Edge.Deadline)
		defer cancel()
		l := leader{Obtainer: o, Request: r, flight: f, client: client, times: Times{}}
		return l.lead(ctx)
	})
}

func flightPrefix(original thumbnail.Location) string { return original.String() + "\x00" }
