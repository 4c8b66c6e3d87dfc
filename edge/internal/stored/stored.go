// Package stored finds thumbnails that are there: in this edge's memory or in the store,
// of the original's current version, and of the current rules where that is asked for.
//
// A hit is compared with its original at most every edge.revalidate. What is remembered,
// pictures and comparisons, is forgotten by a purge, and is not used while this edge may
// have missed one.
package stored

import (
	"context"
	"crypto/md5" //nolint:gosec // what stores promise
	"encoding/hex"
	"io"
	"log/slog"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Hit is a thumbnail that is there. Either Image holds the picture, or Object does, which
// the caller closes.
type Hit struct {
	Meta   objectstore.Meta
	Image  []byte
	Object objectstore.Object
	// Unsure: the original's store did not answer, so that there may be a later upload.
	Unsure bool
}

const (
	currentBound = 1_000_000
	headBound    = 5 * time.Second
	// largest share of the memory that one picture may take.
	largestShare = 32
	// overhead of a picture in memory, beside its bytes: keys and metadata.
	overhead = 1024
	// keptFor is how long a picture stays in memory: a purge is remembered longer.
	keptFor = time.Hour
)

// Thumbnails is the store, as far as a finder needs it (objectstore.Store).
type Thumbnails interface {
	Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error)
	Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error)
}

// Heads tells of originals. Its errors are faults.
type Heads interface {
	Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error)
}

// Config is what a finder is made of.
type Config struct {
	Edge       settings.Edge
	Thumbnails Thumbnails
	Heads      Heads
	Local      bool // the store is a directory
	// Hears reports whether no purge can have been missed.
	Hears   func() bool
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Finder finds stored thumbnails.
type Finder struct {
	config  Config
	current *otter.Cache[thumbnail.Location, comparison] // with their originals, lately
	memory  *otter.Cache[thumbnail.Location, kept]       // nil when it is off
	purges  *purges

	fromMemory, fromStore prometheus.Counter
}

// comparison is one of a thumbnail with its original.
type comparison struct {
	since  uint64 // the purges' count before it
	at     time.Time
	failed bool // the original's store did not answer
}

// askAgain is how long a comparison counts that could not be made, or that was made by an
// edge that is deaf: without it each hit would ask a store that does not answer.
const askAgain = 2 * time.Second

// kept is a picture in memory.
type kept struct {
	meta   objectstore.Meta
	stored time.Time
	image  []byte
	since  uint64 // the purges' count before it was read
}

// New makes a finder.
func New(c Config) (*Finder, error) {
	hits := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_hits_total", Help: "Stored thumbnails that were served, by where they were: memory or store.",
	}, []string{"from"})
	c.Metrics.MustRegister(hits)
	f := &Finder{config: c, fromMemory: hits.WithLabelValues("memory"), fromStore: hits.WithLabelValues("store")}
	var err error
	if f.purges, err = newPurges(max(keptFor, c.Edge.Revalidate) + c.Edge.Deadline + time.Minute); err != nil {
		return nil, err
	}
	f.current, err = otter.New(&otter.Options[thumbnail.Location, comparison]{
		MaximumSize: currentBound, ExpiryCalculator: otter.ExpiryWriting[thumbnail.Location, comparison](max(c.Edge.Revalidate, 1)),
		Executor: inCaller,
	})
	if err != nil || c.Edge.Memory == 0 {
		return f, err
	}
	f.memory, err = otter.New(&otter.Options[thumbnail.Location, kept]{
		MaximumWeight: uint64(c.Edge.Memory), ExpiryCalculator: otter.ExpiryWriting[thumbnail.Location, kept](keptFor),
		Weigher:  func(_ thumbnail.Location, k kept) uint32 { return uint32(len(k.image) + overhead) }, //nolint:gosec // bounded by largest
		Executor: inCaller,
	})
	return f, err
}

// inCaller lets a cache work without goroutines that outlive it.
func inCaller(work func()) { work() }

// Close ends what runs in the background.
func (f *Finder) Close() {
	f.purges.close()
	f.current.StopAllGoroutines()
	if f.memory != nil {
		f.memory.StopAllGoroutines()
	}
}

// Find gives a thumbnail, or objectstore.ErrNotFound for one that is to be rendered: with
// renew also when edge.outdated would keep it.
func (f *Finder) Find(ctx context.Context, t target.Target, renew bool) (Hit, error) {
	since := f.purges.count()
	hears := f.config.Hears()
	if k, ok := f.remembered(t, hears); ok {
		if f.wanted(t, k.meta, renew) && f.isCurrent(ctx, t, k.meta, k.stored, since, hears) {
			f.fromMemory.Inc()
			return Hit{Meta: k.meta, Image: k.image, Unsure: f.unsure(t)}, nil
		}
		f.memory.Invalidate(t.Key) // the store may have a later one
	}
	object, info, err := f.config.Thumbnails.Open(ctx, t.Key)
	if err != nil {
		return Hit{}, err
	}
	if !f.wanted(t, info.Meta, renew) || !f.isCurrent(ctx, t, info.Meta, info.Modified, since, hears) {
		_ = object.Close()
		return Hit{}, objectstore.ErrNotFound
	}
	f.fromStore.Inc()
	return f.remember(t, Hit{Meta: info.Meta, Object: object, Unsure: f.unsure(t)}, info, since)
}

// AtHand gives a thumbnail for which no other machine is asked, but for its original's
// head: from memory, or from a store of this machine's. ctx needs no deadline.
func (f *Finder) AtHand(ctx context.Context, t target.Target) (Hit, bool) {
	k, ok := f.remembered(t, f.memory != nil && f.config.Hears())
	if ok && f.wanted(t, k.meta, false) && (f.config.Edge.Revalidate == 0 || f.compared(t, true)) {
		f.fromMemory.Inc()
		return Hit{Meta: k.meta, Image: k.image, Unsure: f.unsure(t)}, true
	}
	if !f.config.Local {
		return Hit{}, false
	}
	hit, err := f.Find(ctx, t, false)
	return hit, err == nil
}

// skew is how much the clock that wrote a version into a URL may be behind this machine's, and
// ahead is how much it may be ahead. A version beyond that tells nothing.
const (
	skew  = 5 * time.Second
	ahead = time.Minute
)

// before reports whether a comparison came before the upload that the URL names.
func (c comparison) before(t target.Target) bool {
	return !t.AsOf.IsZero() && c.at.Before(t.AsOf.Add(skew)) && time.Until(t.AsOf) < ahead
}

// unsure reports whether a thumbnail could not be compared with its original.
func (f *Finder) unsure(t target.Target) bool {
	c, ok := f.current.GetIfPresent(t.Key)
	return ok && c.failed
}

// compared reports whether a thumbnail was found current lately, and not purged since.
func (f *Finder) compared(t target.Target, hears bool) bool {
	c, ok := f.current.GetIfPresent(t.Key)
	if ok && (c.failed || !hears) && time.Since(c.at) > askAgain || c.before(t) {
		return false
	}
	return ok && !f.purges.after(c.since, t.Spec.Original)
}

func (f *Finder) remembered(t target.Target, hears bool) (kept, bool) {
	if f.memory == nil || !hears {
		return kept{}, false
	}
	k, ok := f.memory.GetIfPresent(t.Key)
	return k, ok && !f.purges.after(k.since, t.Spec.Original)
}

// remember reads a picture into memory, unless it is too large for that or private.
func (f *Finder) remember(t target.Target, h Hit, info objectstore.Info, since uint64) (Hit, error) {
	if f.memory == nil || t.Private || info.Size > int64(f.config.Edge.Memory)/largestShare { //nolint:gosec // bounded by settings
		return h, nil
	}
	defer func() { _ = h.Object.Close() }()
	image := make([]byte, info.Size)
	if _, err := io.ReadFull(h.Object, image); err != nil {
		return Hit{}, err
	}
	sum := md5.Sum(image) //nolint:gosec // what stores promise
	if info.MD5 != "" && hex.EncodeToString(sum[:]) != info.MD5 {
		f.config.Log.Warn("a stored thumbnail is not the one whose checksum its store tells: it is rendered again", "key", t.Key)
		return Hit{}, objectstore.ErrNotFound
	}
	f.memory.Set(t.Key, kept{h.Meta, info.Modified, image, since})
	return Hit{Meta: h.Meta, Image: image, Unsure: h.Unsure}, nil
}

// wanted reports whether a thumbnail need not be rendered again by today's rules.
func (f *Finder) wanted(t target.Target, m objectstore.Meta, renew bool) bool {
	return !renew && f.config.Edge.Outdated == settings.Keep || m.Rules == thumbnail.RulesVersion && m.SpecDigest == t.Spec.Digest()
}

// isCurrent compares a thumbnail with its original, unless that was done lately. stored is
// when it was written: other programs' thumbnails do not say of which version they are.
func (f *Finder) isCurrent(ctx context.Context, t target.Target, m objectstore.Meta, stored time.Time, since uint64, hears bool) bool {
	if f.config.Edge.Revalidate == 0 {
		return true
	}
	if f.compared(t, hears) {
		return true
	}
	original, err := f.config.Heads.Head(ctx, t.Spec.Original)
	if fault.Is(err, fault.Absent) {
		return false
	}
	if err != nil { // a store that does not answer does not take the picture away
		f.current.Set(t.Key, comparison{since, time.Now(), true})
		return true
	}
	if m.OriginalVersion == "" && original.Modified.After(stored) || m.OriginalVersion != "" && m.OriginalVersion != original.Version {
		return false
	}
	f.current.Set(t.Key, comparison{since, time.Now(), false})
	return true
}

// IsStored reports whether the thumbnail of this version of the original is in the store.
func (f *Finder) IsStored(ctx context.Context, t target.Target, version string, renew bool) bool {
	ctx, cancel := context.WithTimeout(ctx, headBound)
	defer cancel()
	info, err := f.config.Thumbnails.Head(ctx, t.Key)
	return err == nil && info.Meta.OriginalVersion == version && f.wanted(t, info.Meta, renew)
}

// Purges is the count of purges, to be read before what Purged asks about.
func (f *Finder) Purges() uint64 { return f.purges.count() }

// Purged reports whether an original was purged since a count.
func (f *Finder) Purged(since uint64, original thumbnail.Location) bool {
	return f.purges.after(since, original)
}

// Forget makes all that is known of an original's thumbnails void.
func (f *Finder) Forget(original thumbnail.Location) { f.purges.add(original) }

// ForgetAll makes void all that is known.
func (f *Finder) ForgetAll() { f.purges.addAll() }
