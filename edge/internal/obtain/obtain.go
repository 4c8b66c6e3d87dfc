// Package obtain gets a thumbnail: from the store when it is there, else by
// having it rendered. It is the way of a request, as DESIGN.md tells it:
//
//	look up → join the flight → (its leader:) head → failure memory → admit →
//	look up again → publish → wait for the result → answer → wait until stored
//
// The look-up after the admission closes a gap: another edge may have stored the
// thumbnail between the first look and the grant.
package obtain

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/cost"
	"github.com/thumbmill/thumbmill/edge/internal/dispatch"
	"github.com/thumbmill/thumbmill/edge/internal/failure"
	"github.com/thumbmill/thumbmill/edge/internal/fleet"
	"github.com/thumbmill/thumbmill/edge/internal/flight"
	"github.com/thumbmill/thumbmill/edge/internal/originals"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Request is one client's wish.
type Request struct {
	ID     string // in every log line and in the job
	Client string // for the throttles
	Target target.Target
}

// Thumb is an answer. Either Image holds the picture, or Object does, which the
// caller closes.
type Thumb struct {
	Meta   objectstore.Meta
	Image  []byte
	Object objectstore.Object
	Source Source
	Times  Times
}

// Source says where a thumbnail came from.
type Source string

// The sources; labels of metrics.
const (
	Hit      Source = "hit"      // it was in the store
	Rendered Source = "rendered" // this request's flight had it rendered
	Shared   Source = "shared"   // another edge's flight did
	Original Source = "original" // it is no thumbnail: an object that is served as it is
)

// Config is what an obtainer is made of.
type Config struct {
	Settings   settings.Settings
	Thumbnails objectstore.Store
	Originals  objectstore.Store
	Heads      *originals.Heads
	Failures   *failure.Memory
	Fleet      *fleet.Fleet
	Admitter   *admission.Admitter
	Dispatcher *dispatch.Dispatcher
	Log        *slog.Logger
	Metrics    prometheus.Registerer
}

// Obtainer gets thumbnails.
type Obtainer struct {
	Config
	flights *flight.Group[Thumb]
	current *otter.Cache[thumbnail.Location, struct{}] // hits that were compared with their originals lately
	costs   cost.Book
	metrics metrics
}

const (
	currentBound = 1_000_000
	lookupBound  = 5 * time.Second
	rounds       = 3 // how often a flight starts over when another's work turns out not to be there
)

// New makes an obtainer.
func New(c Config) (*Obtainer, error) {
	o := &Obtainer{
		Config:  c,
		flights: flight.New[Thumb](c.Settings.Edge.MaxWaiters, c.Settings.Edge.MaxWaitersPerClient),
	}
	var err error
	o.current, err = otter.New(&otter.Options[thumbnail.Location, struct{}]{
		MaximumSize:      currentBound,
		ExpiryCalculator: otter.ExpiryWriting[thumbnail.Location, struct{}](max(c.Settings.Edge.Revalidate, 1)),
		Executor:         func(work func()) { work() },
	})
	o.metrics = newMetrics(c.Metrics, o.flights.Counts)
	return o, err
}

// Stop waits for the flights to end.
func (o *Obtainer) Stop(ctx context.Context) error {
	err := o.flights.Stop(ctx)
	o.current.StopAllGoroutines()
	return err
}

// Obtain gets a thumbnail or says by a fault why not.
func (o *Obtainer) Obtain(ctx context.Context, r Request) (Thumb, error) {
	times, source := Times{}, Hit
	for range rounds {
		began := time.Now()
		hit, err := o.lookup(ctx, r.Target)
		times.add("lookup", time.Since(began), o.metrics)
		if err == nil {
			hit.Times, hit.Source = times, source
			return hit, nil
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
	times.add("head", time.Since(began), o.metrics)
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
	meta := objectstore.Meta{ETag: info.Version, Rendered: info.Modified}
	return Thumb{Meta: meta, Object: object, Source: Original, Times: times}, nil
}

func (o *Obtainer) join(ctx context.Context, r Request) (Thumb, error) {
	key := r.Target.Key.Container + "\x00" + r.Target.Key.Path
	return o.flights.Do(ctx, key, r.Client, func(ctx context.Context, f *flight.Flight[Thumb], client string) error {
		ctx, cancel := context.WithTimeout(ctx, o.Settings.Edge.Deadline)
		defer cancel()
		l := leader{Obtainer: o, Request: r, flight: f, client: client, times: Times{}}
		return l.lead(ctx)
	})
}

// lookup finds a stored thumbnail that is of the original's current version, as
// far as that was compared within edge.revalidate.
func (o *Obtainer) lookup(ctx context.Context, t target.Target) (Thumb, error) {
	thumb, err := o.open(ctx, t.Key)
	if err != nil || o.Settings.Edge.Revalidate == 0 {
		return thumb, err
	}
	if _, fresh := o.current.GetIfPresent(t.Key); fresh {
		return thumb, nil
	}
	original, err := o.Heads.Head(ctx, t.Spec.Original)
	stale := err == nil && original.Version != thumb.Meta.OriginalVersion || fault.Is(err, fault.Absent)
	if stale {
		_ = thumb.Object.Close()
		return Thumb{}, objectstore.ErrNotFound
	}
	if err == nil { // a store that does not answer does not take the picture away
		o.current.Set(t.Key, struct{}{})
	}
	return thumb, nil
}

func (o *Obtainer) open(ctx context.Context, key thumbnail.Location) (Thumb, error) {
	object, info, err := o.Thumbnails.Open(ctx, key)
	if err != nil {
		return Thumb{}, err
	}
	return Thumb{Meta: info.Meta, Object: object, Source: Hit}, nil
}
