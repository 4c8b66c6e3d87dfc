package obtain

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/places"
	"github.com/thumbmill/thumbmill/edge/internal/stored"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Config has the settings and the collaborators of an obtainer.
type Config struct {
	Settings   settings.Settings
	Thumbnails Lister
	Originals  Opener
	Heads      Heads
	Stored     Stored
	Failures   Failures
	Fleet      Fleet
	Throttles  Throttles
	Places     *places.Places
	Log        *slog.Logger
	Metrics    prometheus.Registerer
}

// Stored finds stored thumbnails; package stored implements it.
type Stored interface {
	AtHand(ctx context.Context, t target.Target) (stored.Hit, bool)
	IsLocal() bool // AtHand looks into the whole store
	Find(ctx context.Context, t target.Target, renew bool) (stored.Hit, error)
	IsStored(ctx context.Context, t target.Target, version string, renew bool) bool
	HasBucket(ctx context.Context, b bucket.Bucket, version string) bool
	Purges() uint64
	Purged(since uint64, original thumbnail.Location) bool
	Forget(original thumbnail.Location)
	ForgetAll()
}

// Heads returns the heads of originals; package originals implements it. The fault of a missing
// original is Absent.
type Heads interface {
	Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error)
	Forget(at thumbnail.Location)
	ForgetAll()
}

// Opener opens originals that the edge serves as they are.
type Opener interface {
	Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error)
}

// Lister lists the stored sizes of a thumbnail.
type Lister interface {
	List(ctx context.Context, before thumbnail.Location, after string) ([]thumbnail.Location, error)
}

// Failures is the failure memory; package failure implements it.
type Failures interface {
	Check(ctx context.Context, s thumbnail.Spec, key thumbnail.Location, engines []string) error
	Record(ctx context.Context, f *fault.Fault, s thumbnail.Spec, key thumbnail.Location, engine string) error
}

// Fleet knows the renderers that live; package fleet implements it.
type Fleet interface {
	Engines(t thumbnail.Type) []string
	GoneFor() time.Duration
	Slots() int // of all living renderers
}

// Throttles counts the refusals that obtain decides; package admission implements it.
type Throttles interface {
	CountRefusal(by throttle.Name)
	// TurnAway counts a refusal by per-ip that this edge decided: lease.Full or lease.TimedOut.
	TurnAway(r admission.Request, why lease.Reason)
}
