// Package stored finds thumbnails in this edge's memory or in the store. It finds only thumbnails of
// the original's current version, and with edge.outdated=render only thumbnails of the current rules.
//
// It compares a thumbnail with its original at most once every edge.revalidate. A purge makes
// remembered pictures and comparisons void. An edge that may have missed a purge does not use
// them.
package stored

import (
	"context"
	"crypto/md5" //nolint:gosec // stores give the MD5, no secret
	"encoding/hex"
	"io"
	"log/slog"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/cache"
	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Hit is a stored thumbnail. Image has the picture, or the caller reads it from Object and closes
// Object.
type Hit struct {
	Meta   objectstore.Meta
	Image  []byte
	Object objectstore.Object
	// Unsure: the original's store did not answer, so that there may be a later upload.
	Unsure bool
}

const (
	currentBound = 1_000_000
	// largestShare bounds a picture in memory to 1/32 of edge.memory.
	largestShare = 32
	// overhead is the size in bytes of a picture's key and metadata in memory, about.
	overhead = 1024
	// keptFor bounds the time that a picture stays in memory. Purges are remembered longer.
	keptFor = time.Hour
)

// Thumbnails has the methods of objectstore.Store that a finder needs.
type Thumbnails interface {
	Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error)
	Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error)
	Delete(ctx context.Context, at thumbnail.Location) error
}

// Heads returns the heads of originals. Its errors are faults.
type Heads interface {
	Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error)
}

// Config has the settings and the collaborators of a finder.
type Config struct {
	Edge       settings.Edge
	Thumbnails Thumbnails
	Heads      Heads
	Local      bool // the store is a directory
	// Scrub compares all thumbnails with their MD5s once every ScrubEvery; nil or 0 = never. See open.Stores.
	Scrub      func(ctx context.Context, rate int, each func(damaged bool)) error
	ScrubEvery time.Duration
	// Hears reports whether the edge hears every purge.
	Hears   func() bool
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Finder finds stored thumbnails. Its methods are safe for concurrent use.
type Finder struct {
	config  Config
	current cache.Cache[thumbnail.Location, comparison] // recent comparisons, by the thumbnail's key
	memory  cache.Cache[thumbnail.Location, kept]       // nil when edge.memory is 0
	purges  *purges
	verify  *verifier

	fromMemory, fromStore prometheus.Counter
}

// comparison is the comparison of a thumbnail with its original.
type comparison struct {
	since  uint64 // the number of purges before the comparison
	at     time.Time
	failed bool // the original's store did not answer
}

// askAgain bounds the use of a comparison that failed, and of comparisons while the edge is deaf.
// It is not 0, because then each hit would ask a store that does not answer.
const askAgain = 2 * time.Second

// kept is a picture in memory.
type kept struct {
	meta   objectstore.Meta
	stored time.Time
	image  []byte
	since  uint64 // the number of purges before the read
}

// New returns a finder. The caller must close it.
func New(c Config) (*Finder, error) {
	hits := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_hits_total", Help: "Stored thumbnails that the edge served, from its memory or from the store.",
	}, []string{"from"})
	c.Metrics.MustRegister(hits)
	f := &Finder{config: c, fromMemory: hits.WithLabelValues("memory"), fromStore: hits.WithLabelValues("store")}
	var err error
	if f.verify, err = newVerifier(c); err != nil {
		return nil, err
	}
	if f.purges, err = newPurges(max(keptFor, c.Edge.Revalidate) + c.Edge.Deadline + time.Minute); err != nil {
		return nil, err
	}
	f.current, err = otter.New(&otter.Options[thumbnail.Location, comparison]{
		MaximumSize: currentBound, ExpiryCalculator: otter.ExpiryWriting[thumbnail.Location, comparison](max(c.Edge.Revalidate, 1)),
		Executor: cache.InCaller,
	})
	if err != nil || c.Edge.Memory == 0 {
		return f, err
	}
	f.memory, err = otter.New(&otter.Options[thumbnail.Location, kept]{
		MaximumWeight: uint64(c.Edge.Memory), ExpiryCalculator: otter.ExpiryWriting[thumbnail.Location, kept](keptFor),
		Weigher:  func(_ thumbnail.Location, k kept) uint32 { return uint32(len(k.image) + overhead) }, //nolint:gosec // bounded by largest
		Executor: cache.InCaller,
	})
	return f, err
}

// Close stops the goroutines of the caches.
func (f *Finder) Close() {
	f.verify.close()
	f.purges.close()
	f.current.StopAllGoroutines()
	if f.memory != nil {
		f.memory.StopAllGoroutines()
	}
}

// Find returns a thumbnail, or objectstore.ErrNotFound for a thumbnail that must be rendered. With
// renew, a thumbnail of older rules must be rendered even if edge.outdated would keep it. ctx must
// outlive the reading of the hit.
func (f *Finder) Find(ctx context.Context, t target.Target, renew bool) (Hit, error) {
	since := f.purges.count()
	hears := f.config.Hears()
	if k, ok := f.remembered(&t, hears); ok {
		if f.wanted(&t, k.meta, renew) && f.isCurrent(ctx, &t, k.meta, k.stored, since, hears) {
			f.fromMemory.Inc()
			return Hit{Meta: k.meta, Image: k.image, Unsure: f.unsure(&t)}, nil
		}
		f.memory.Invalidate(t.Key) // the store may have a newer picture
	}
	object, info, err := f.config.Thumbnails.Open(ctx, t.Key)
	if err != nil {
		return Hit{}, err
	}
	if !f.wanted(&t, info.Meta, renew) || !f.isCurrent(ctx, &t, info.Meta, info.Modified, since, hears) {
		_ = object.Close()
		return Hit{}, objectstore.ErrNotFound
	}
	f.fromStore.Inc()
	return f.remember(ctx, t, Hit{Meta: info.Meta, Object: object, Unsure: f.unsure(&t)}, info, since)
}

// AtHand returns a thumbnail from memory, or from a store in a directory. Other machines are asked at
// most for the original's head. ctx needs no deadline.
func (f *Finder) AtHand(ctx context.Context, t target.Target) (Hit, bool) {
	k, ok := f.remembered(&t, f.memory != nil && f.config.Hears())
	if ok && f.wanted(&t, k.meta, false) && (f.config.Edge.Revalidate == 0 || f.compared(&t, true)) {
		f.fromMemory.Inc()
		return Hit{Meta: k.meta, Image: k.image, Unsure: f.unsure(&t)}, true
	}
	if !f.config.Local {
		return Hit{}, false
	}
	hit, err := f.Find(ctx, t, false)
	return hit, err == nil
}

// IsLocal reports whether AtHand looks into the whole store.
func (f *Finder) IsLocal() bool { return f.config.Local }

// skew is how far the clock that wrote a version into a URL may be behind this machine's clock, and
// ahead is how far it may be ahead. The edge ignores a version beyond that.
const (
	skew  = 5 * time.Second
	ahead = time.Minute
)

// before reports whether a comparison came before the upload that the URL names.
func (c comparison) before(t *target.Target) bool {
	return !t.AsOf.IsZero() && c.at.Before(t.AsOf.Add(skew)) && time.Until(t.AsOf) < ahead
}

// unsure reports whether the last comparison of a thumbnail with its original failed.
func (f *Finder) unsure(t *target.Target) bool {
	c, ok := f.current.GetIfPresent(t.Key)
	return ok && c.failed
}

// compared reports whether a remembered comparison found the thumbnail current, with no purge since.
func (f *Finder) compared(t *target.Target, hears bool) bool {
	c, ok := f.current.GetIfPresent(t.Key)
	if ok && (c.failed || !hears) && time.Since(c.at) > askAgain || c.before(t) {
		return false
	}
	return ok && !f.purges.after(c.since, t.Spec.Original)
}

func (f *Finder) remembered(t *target.Target, hears bool) (kept, bool) {
	if f.memory == nil || !hears {
		return kept{}, false
	}
	k, ok := f.memory.GetIfPresent(t.Key)
	return k, ok && !f.purges.after(k.since, t.Spec.Original)
}

// remember reads a picture into memory, unless the picture is private or too large. It returns
// objectstore.ErrNotFound for a picture that it found damaged.
func (f *Finder) remember(ctx context.Context, t target.Target, h Hit, info objectstore.Info, since uint64) (Hit, error) {
	if f.memory == nil || t.Private || info.Size > int64(f.config.Edge.Memory)/largestShare { //nolint:gosec // bounded by settings
		return f.verify.sample(ctx, t.Key, h, info)
	}
	defer func() { _ = h.Object.Close() }()
	image := make([]byte, info.Size)
	if _, err := io.ReadFull(h.Object, image); err != nil {
		return Hit{}, err
	}
	sum := md5.Sum(image) //nolint:gosec // stores give the MD5, no secret
	if info.MD5 != "" && hex.EncodeToString(sum[:]) != info.MD5 {
		return Hit{}, f.verify.drop(ctx, t.Key, info)
	}
	f.memory.Set(t.Key, kept{h.Meta, info.Modified, image, since})
	return Hit{Meta: h.Meta, Image: image, Unsure: h.Unsure}, nil
}

// wanted reports whether a stored thumbnail may be served although the rules may have changed.
func (f *Finder) wanted(t *target.Target, m objectstore.Meta, renew bool) bool {
	return !renew && f.config.Edge.Outdated == settings.Keep || m.Rules == thumbnail.RulesVersion && m.SpecDigest == t.Spec.Digest()
}

// isCurrent reports whether a thumbnail has the version of its original. It compares the versions, or
// uses a remembered comparison. Thumbnails of other programs have no version; such a thumbnail is
// current unless the original was modified after stored, the time at which the thumbnail was written.
func (f *Finder) isCurrent(ctx context.Context, t *target.Target, m objectstore.Meta, stored time.Time, since uint64, hears bool) bool {
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
	if err != nil { // serve the thumbnail while the originals' store does not answer
		f.current.Set(t.Key, comparison{since, time.Now(), true})
		return true
	}
	if m.OriginalVersion == "" && original.Modified.After(stored) || m.OriginalVersion != "" && m.OriginalVersion != original.Version {
		return false
	}
	f.current.Set(t.Key, comparison{since, time.Now(), false})
	return true
}

// IsStored reports whether the store has the thumbnail for this version of the original. It returns
// false when the store does not answer within deadline.Head.
func (f *Finder) IsStored(ctx context.Context, t target.Target, version string, renew bool) bool {
	ctx, cancel := context.WithTimeout(ctx, deadline.Head)
	defer cancel()
	info, err := f.config.Thumbnails.Head(ctx, t.Key)
	return err == nil && info.Meta.OriginalVersion == version && f.wanted(&t, info.Meta, renew)
}

// Purges returns the number of purges, for a later call of Purged.
func (f *Finder) Purges() uint64 { return f.purges.count() }

// Purged reports whether an original was purged after Purges returned since.
func (f *Finder) Purged(since uint64, original thumbnail.Location) bool {
	return f.purges.after(since, original)
}

// Forget makes everything void that the finder remembers of an original's thumbnails.
func (f *Finder) Forget(original thumbnail.Location) { f.purges.add(original) }

// ForgetAll makes everything void that the finder remembers.
func (f *Finder) ForgetAll() { f.purges.addAll() }
