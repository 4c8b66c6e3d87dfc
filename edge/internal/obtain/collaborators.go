package obtain

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/stored"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
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
	Admitter   Admitter
	PerIP      func() settings.Pool // the limits of each client now
	Queue      Queue
	Backlog    Backlog
	Log        *slog.Logger
	Metrics    prometheus.Registerer
}

// Stored finds stored thumbnails; package stored implements it.
type Stored interface {
	AtHand(ctx context.Context, t target.Target) (stored.Hit, bool)
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
	Idle() bool
	Slots() int // of all living renderers
	// Batch is the number of jobs of one original that every living renderer takes at once, at least 1.
	Batch() int
}

// Admitter decides whether a flight may render now; package admission implements it.
type Admitter interface {
	Admit(ctx context.Context, r admission.Request) (l admission.Lease, done bool, err error)
	CountRefusal(by throttle.Name)
	// TurnAway counts a refusal by per-ip that this edge decided: lease.Full or lease.TimedOut.
	TurnAway(r admission.Request, why lease.Reason)
}

// Queue publishes jobs; package dispatch implements it.
type Queue interface {
	// Publish publishes a job. The jobs in held ride with it.
	Publish(ctx context.Context, job renderjob.Job, held ...Job) (Job, error)
	// Hold opens a job without publishing it. The job rides with another, or Release publishes it.
	Hold(ctx context.Context, job renderjob.Job) Job
	// Electing reports whether the queue takes no jobs because its servers may elect a leader.
	Electing() bool
	// Unstarted returns the age of this edge's oldest job in the lane that no renderer has begun.
	Unstarted(lane renderjob.Lane) time.Duration
}

// Job is a published or held job, until its end.
type Job interface {
	Results() <-chan renderjob.Result
	Reconnected() <-chan struct{}
	Restore(ctx context.Context) error
	Recall(ctx context.Context) bool
	// Release publishes a held job by itself.
	Release()
	Close()
}

// Backlog watches the waiting jobs of all edges; package backlog implements it.
type Backlog interface {
	Stalls(lane renderjob.Lane, longer time.Duration) bool
}
