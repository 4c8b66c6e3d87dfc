package stored

import (
	"context"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/shared/cache"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/directory"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// verifiedBound bounds the keys whose first hit was verified, about 100 bytes each.
	verifiedBound = 200_000
	// sampleOf is the number of later hits for each one that is verified.
	sampleOf = 1000
	// scrubRate bounds the bytes a second that a scrub reads: 10 GiB in 43 minutes.
	scrubRate = 4 << 20
)

// verifier compares thumbnails of a directory with their MD5s: the first hit of each key, a sample of the later hits,
// and the whole directory from time to time. A damaged thumbnail is deleted, so that it is rendered again.
type verifier struct {
	local      bool
	thumbnails Thumbnails
	log        *slog.Logger
	seed       maphash.Seed
	seen       cache.Cache[uint64, struct{}] // hashes of keys
	verified   *prometheus.CounterVec
	stop       context.CancelFunc
	scrubs     sync.WaitGroup
}

// newVerifier returns a verifier that scrubs until close.
func newVerifier(c Config) (*verifier, error) {
	v := &verifier{local: c.Local, thumbnails: c.Thumbnails, log: c.Log, seed: maphash.MakeSeed()}
	v.verified = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_verified_thumbnails_total",
		Help: "Stored thumbnails whose MD5 the edge compared, at a hit or in a scrub of the directory; damaged ones are deleted.",
	}, []string{"at", "outcome"})
	c.Metrics.MustRegister(v.verified)
	var err error
	if v.seen, err = otter.New(&otter.Options[uint64, struct{}]{MaximumSize: verifiedBound, Executor: cache.InCaller}); err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, v.stop = context.WithCancel(context.Background())
	if c.Scrub != nil && c.ScrubEvery > 0 {
		v.scrubs.Go(func() { periodic.Do(ctx, c.ScrubEvery, func(ctx context.Context) { v.scrub(ctx, c.Scrub) }) })
	}
	return v, nil
}

func (v *verifier) close() {
	v.stop()
	v.scrubs.Wait()
	v.seen.StopAllGoroutines()
}

func (v *verifier) scrub(ctx context.Context, all func(context.Context, int, func(bool)) error) {
	began, damaged := time.Now(), 0
	err := all(ctx, scrubRate, func(bad bool) {
		v.count("scrub", bad)
		if bad {
			damaged++
		}
	})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		v.log.Warn("compare all stored thumbnails with their MD5s", "error", err)
	case damaged > 0:
		v.log.Warn("delete damaged thumbnails: check the disk", "thumbnails", damaged, "took", time.Since(began).Round(time.Second))
	}
}

func (v *verifier) count(at string, damaged bool) {
	outcome := "ok"
	if damaged {
		outcome = "damaged"
	}
	v.verified.WithLabelValues(at, outcome).Inc()
}

// sample verifies a hit if it is the first one of its key, or one of the sample. It closes the object of a damaged hit,
// and returns objectstore.ErrNotFound.
func (v *verifier) sample(ctx context.Context, key thumbnail.Location, h Hit, info objectstore.Info) (Hit, error) {
	if !v.local || !v.chooses(key) {
		return h, nil
	}
	sound, err := directory.Sound(h.Object, info)
	if err == nil && sound {
		v.count("hit", false)
		return h, nil
	}
	_ = h.Object.Close()
	if err != nil {
		return Hit{}, err
	}
	return Hit{}, v.drop(ctx, key, info)
}

func (v *verifier) chooses(key thumbnail.Location) bool {
	hash := maphash.Comparable(v.seed, key)
	if _, seen := v.seen.GetIfPresent(hash); seen {
		return rand.N(sampleOf) == 0 //nolint:gosec // a sample is no secret
	}
	v.seen.Set(hash, struct{}{})
	return true
}

// drop deletes a damaged thumbnail, which renderers would otherwise take for a stored one, and returns
// objectstore.ErrNotFound. It deletes nothing if another process replaced the thumbnail meanwhile.
func (v *verifier) drop(ctx context.Context, key thumbnail.Location, read objectstore.Info) error {
	v.count("hit", true)
	if now, err := v.thumbnails.Head(ctx, key); err != nil || now.MD5 != read.MD5 || !now.Modified.Equal(read.Modified) {
		return objectstore.ErrNotFound
	}
	v.log.Warn("delete a damaged thumbnail: its MD5 is not the stored one", "key", key)
	if err := v.thumbnails.Delete(ctx, key); err != nil {
		v.log.Warn("delete a damaged thumbnail", "key", key, "error", err)
	}
	return objectstore.ErrNotFound
}
