// Package open opens the stores in the settings, each with a circuit breaker and a metric, for the edge
// and the renderer.
package open

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/byprefix"
	"github.com/thumbmill/thumbmill/shared/objectstore/directory"
	"github.com/thumbmill/thumbmill/shared/objectstore/httpstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/pace"
	"github.com/thumbmill/thumbmill/shared/objectstore/s3store"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/objectstore/swiftstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Stores are the stores of originals and thumbnails.
type Stores struct {
	Originals, Thumbnails objectstore.Store
	Breakers              []*gobreaker.CircuitBreaker[any]
	// Scrub compares all thumbnails of a directory with their MD5s (directory.Store.Scrub); nil for other stores.
	Scrub func(ctx context.Context, rate int, each func(damaged bool)) error
	owned []objectstore.Store
	rest  objectstore.Store // store.originals alone, without its loaders
}

// Close ends the stores that New opened.
func (s Stores) Close() error {
	var all []error
	for _, store := range s.owned {
		all = append(all, store.Close())
	}
	return errors.Join(all...)
}

// New opens both stores. All roles of one process must share a directory of thumbnails, because the
// store tracks its size: see Guarded. Several processes with one directory each track only their own
// writes.
func New(s settings.Settings) (Stores, error) {
	originals, rest, err := allOriginals(s)
	if err != nil {
		return Stores{}, err
	}
	thumbnails, err := one(s.Store.Thumbnails, s, func(b storeconfig.Bucket) (objectstore.Store, error) {
		return directory.NewThumbnails(b.Path, directory.Options{MaxBytes: uint64(b.MaxBytes), Sync: b.Sync})
	})
	if err != nil {
		return Stores{}, errors.Join(fmt.Errorf("store.thumbnails: %w", err), originals.Close())
	}
	all := Stores{Originals: originals, Thumbnails: thumbnails, owned: []objectstore.Store{originals, thumbnails}, rest: rest}
	if folder, ok := thumbnails.(*directory.Store); ok {
		all.Scrub = folder.Scrub
	}
	return all, nil
}

// Add returns the stores with one more store of originals, whose names begin with a prefix. Its owner closes it.
func (s Stores) Add(prefix string, store objectstore.Store) Stores {
	if several, ok := s.Originals.(*byprefix.Store); ok {
		s.Originals = several.With(byprefix.Loader{For: prefix, Store: store})
	} else {
		s.Originals = byprefix.New(s.Originals, []byprefix.Loader{{For: prefix, Store: store}})
	}
	return s
}

// Some returns the first originals of store.originals below a prefix, at most objectstore.ListPage. Stores that cannot list return
// errors.ErrUnsupported.
func (s Stores) Some(ctx context.Context, prefix string) ([]thumbnail.Location, error) {
	return s.rest.List(ctx, thumbnail.Location{Path: prefix}, "")
}

// allOriginals opens the loaders and the store of all other names, rest. all combines them.
func allOriginals(s settings.Settings) (all, rest objectstore.Store, err error) {
	folder := func(b storeconfig.Bucket) (objectstore.Store, error) { return directory.NewOriginals(b.Path) }
	rest, err = original(s.Store.Originals, s, folder)
	if err != nil {
		return nil, nil, fmt.Errorf("store.originals: %w", err)
	}
	var loaders []byprefix.Loader
	for _, l := range s.Store.Loaders {
		store, openErr := original(l.Bucket, s, folder)
		if openErr != nil {
			err = errors.Join(err, fmt.Errorf("store.loaders: %s: %w", l.For, openErr))
			continue
		}
		loaders = append(loaders, byprefix.Loader{For: l.For, Prefix: l.Bucket.Prefix, Containers: l.Bucket.Kind == "swift", Store: store})
	}
	if len(loaders) == 0 && err == nil {
		return rest, rest, nil
	}
	all = byprefix.New(rest, loaders)
	if err != nil {
		return nil, nil, errors.Join(err, all.Close())
	}
	return all, rest, nil
}

// original opens a store of originals. Remote stores must keep renderer.min_rate, as httpstore's hosts must, and tell
// an MD5.
func original(b storeconfig.Bucket, s settings.Settings, inDirectory func(storeconfig.Bucket) (objectstore.Store, error)) (objectstore.Store, error) {
	store, err := one(b, s, inDirectory)
	if err != nil || !slices.Contains([]string{"swift", "s3", "gcs", "azure"}, b.Kind) {
		return store, err
	}
	return compared(pace.Store(store, b.Kind, int64(s.Renderer.MinRate)), b), nil //nolint:gosec // bounded by settings
}

// compared returns a store that has an MD5 only if the settings compare it.
func compared(store objectstore.Store, b storeconfig.Bucket) objectstore.Store {
	if b.Verifies() {
		return store
	}
	return unverified{store}
}

func one(b storeconfig.Bucket, s settings.Settings, inDirectory func(storeconfig.Bucket) (objectstore.Store, error)) (objectstore.Store, error) {
	switch b.Kind {
	case "swift":
		return swiftstore.New(b, s.Store.PrivateContainers...), nil
	case "s3":
		return s3store.New(b)
	case "gcs", "azure":
		return cloud(b)
	case "http":
		return httpstore.New(b, int64(s.Renderer.MaxOriginalBytes), int64(s.Renderer.MinRate), s.Renderer.TempDir) //nolint:gosec // bounded by settings
	}
	return inDirectory(b)
}

// Guarded adds a role's own breakers and metrics to stores that it may share with other roles. The
// opener still closes the stores.
func (s Stores) Guarded(metrics prometheus.Registerer, log *slog.Logger) Stores {
	seconds := objectstore.NewSeconds()
	metrics.MustRegister(seconds)
	thumbnails := objectstore.Breaker("thumbnails", log)
	breakers := []*gobreaker.CircuitBreaker[any]{thumbnails}
	guard := func(name string, store objectstore.Store) objectstore.Store { // each store has its own breaker
		breaker := objectstore.Breaker(strings.TrimSpace("originals "+name), log)
		breakers = append(breakers, breaker)
		return objectstore.Guard(store, breaker, seconds, func(error) {})
	}
	var originals objectstore.Store
	if several, ok := s.Originals.(*byprefix.Store); ok {
		originals = several.Each(guard)
	} else {
		originals = guard("", s.Originals)
	}
	writable := objectstore.NewWritable("thumbnails", log, metrics)
	return Stores{
		Originals:  originals,
		Thumbnails: objectstore.Guard(s.Thumbnails, thumbnails, seconds, writable.Note),
		Breakers:   breakers,
		Scrub:      s.Scrub,
	}
}
