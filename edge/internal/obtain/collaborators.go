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
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Config is what an obtainer is made of.
type Config struct {
	Settings   settings.Settings
	Thumbnails Lister
	Originals  Opener
	Heads      Heads
	Stored     Stored
	Failures   Failures
	Fleet      Fleet
	Admitter   Admitter
	Queue      Queue
	Backlog    Backlog
	Log        *slog.Logger
	Metrics    prometheus.Registerer
}

// Stored finds thumbnails that are there; package stored does.
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

// Heads knows the originals; package originals does. The fault of one that is not there is
// Absent.
type Heads interface {
	Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error)
	Forget(at thumbnail.Location)
	ForgetAll()
}

// Opener opens originals that are served as they are.
type Opener interface {
	Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error)
}

// Lister lists the sizes of a thumbnail that the store has.
type Lister interface {
	List(ctx context.Context, before thumbnail.Location, after string) ([]thumbnail.Location, error)
}

// Failures is the failure memory; package failure does.
type Failures interface {
	Check(ctx context.Context, s thumbnail.Spec, key thumbnail.Location, engines []string) error
	Record(ctx context.Context, f *fault.Fault, s thumbnail.Spec, key thumbnail.Location, engine string) error
}

// Fleet knows the renderers that live; package fleet does.
type Fleet interface {
	Engines(t thumbnail.Type) []string
	GoneFor() time.Duration
	Idle() bool
	// Batch is how many jobs of one original each of the living renderers does at once, at least 1.
	Batch() int
}

// Admitter decides whether a flight may render now; package admission does.
type Admitter interface {
	Admit(ctx context.Context, r admission.Request) (l admission.Lease, done bool, err error)
	CountRefusal(by throttle.Name)
}

// Queue takes jobs; package dispatch does.
type Queue interface {
	// Publish publishes a job, with those that are held for it.
	Publish(ctx context.Context, job renderjob.Job, held ...Job) (Job, error)
	// Hold opens a job that another takes along, or that is published by itself.
	Hold(ctx context.Context, job renderjob.Job) Job
	// Electing reports whether the queue takes nothing, and may soon again.
	Electing() bool
	// Unstarted is how long the oldest job of this edge waits that no renderer has begun.
	Unstarted(lane renderjob.Lane) time.Duration
}

// Job is one that was published, until its end.
type Job interface {
	Results() <-chan renderjob.Result
	Reconnected() <-chan struct{}
	Restore(ctx context.Context) error
	Withdraw(ctx context.Context) bool
	// Release has a job that is held published by itself.
	Release()
	Close()
}

// Backlog watches what waits in the queue, of all edges; package backlog does.
type Backlog interface {
	Stalls(lane renderjob.Lane, longer time.Duration) bool
}
