// Package open makes the stores that the settings ask for, each behind a
// circuit breaker and a metric. The edge and the renderer use it.
package open

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/directory"
	"github.com/thumbmill/thumbmill/shared/objectstore/swiftstore"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Stores are where originals come from and thumbnails go.
type Stores struct {
	Originals, Thumbnails objectstore.Store
	Breakers              []*gobreaker.CircuitBreaker[any]
	owned                 []objectstore.Store
}

// Close ends the stores that New opened.
func (s Stores) Close() error {
	var all []error
	for _, store := range s.owned {
		all = append(all, store.Close())
	}
	return errors.Join(all...)
}

// New opens both stores. All roles of one process must share a directory of
// thumbnails, since it keeps account of its size: see Guarded. Several processes
// on one directory each account for what they wrote themselves.
func New(s settings.Store) (Stores, error) {
	originals, err := one(s.Originals, func() (objectstore.Store, error) { return directory.NewOriginals(s.Originals.Path) })
	if err != nil {
		return Stores{}, fmt.Errorf("store.originals: %w", err)
	}
	thumbnails, err := one(s.Thumbnails, func() (objectstore.Store, error) {
		return directory.NewThumbnails(s.Thumbnails.Path, uint64(s.Thumbnails.MaxBytes))
	})
	if err != nil {
		return Stores{}, errors.Join(fmt.Errorf("store.thumbnails: %w", err), originals.Close())
	}
	return Stores{Originals: originals, Thumbnails: thumbnails, owned: []objectstore.Store{originals, thumbnails}}, nil
}

func one(b settings.Bucket, inDirectory func() (objectstore.Store, error)) (objectstore.Store, error) {
	if b.Kind == "swift" {
		return swiftstore.New(b), nil
	}
	return inDirectory()
}

// Guarded gives a role its own breakers and metrics on stores that it may share
// with others. Closing remains with the one who opened them.
func (s Stores) Guarded(metrics prometheus.Registerer, log *slog.Logger) Stores {
	seconds := objectstore.NewSeconds()
	metrics.MustRegister(seconds)
	onChange := func(name string, from, to gobreaker.State) {
		log.Warn("circuit breaker", "name", name, "from", from.String(), "to", to.String())
	}
	originals := objectstore.Breaker("originals", onChange)
	thumbnails := objectstore.Breaker("thumbnails", onChange)
	return Stores{
		Originals:  objectstore.Guard(s.Originals, originals, seconds),
		Thumbnails: objectstore.Guard(s.Thumbnails, thumbnails, seconds),
		Breakers:   []*gobreaker.CircuitBreaker[any]{originals, thumbnails},
	}
}
