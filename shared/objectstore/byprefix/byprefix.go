// Package byprefix combines several stores of originals into one: the beginning of a name decides which
// store has the original. The edge and the renderer read originals through it.
package byprefix

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Loader has the originals whose names begin with For. URLs keep their whole names. Other names lose
// For and get Prefix instead.
type Loader struct {
	For, Prefix string
	// Containers is true if the store has containers, as Swift has. Then a location with a container
	// stays as it is.
	Containers bool
	Store      objectstore.Store
}

// Store finds the loader of each name, the longest prefix first. The store rest has all other names.
type Store struct {
	rest    objectstore.Store
	loaders []Loader
}

// New combines loaders with a store for all other names.
func New(rest objectstore.Store, loaders []Loader) *Store {
	sorted := slices.Clone(loaders)
	slices.SortFunc(sorted, func(a, b Loader) int { return cmp.Compare(len(b.For), len(a.For)) })
	return &Store{rest, sorted}
}

// With returns a store with one more loader.
func (s *Store) With(l Loader) *Store { return New(s.rest, append(slices.Clone(s.loaders), l)) }

// Each returns a store with the same prefixes and with each store wrapped. The store for all other
// names has the name "".
func (s *Store) Each(wrap func(name string, store objectstore.Store) objectstore.Store) *Store {
	all := &Store{wrap("", s.rest), slices.Clone(s.loaders)}
	for i, l := range all.loaders {
		all.loaders[i].Store = wrap(l.For, l.Store)
	}
	return all
}

// find returns the store of a location and the location in that store.
func (s *Store) find(at thumbnail.Location) (objectstore.Store, thumbnail.Location) {
	for _, l := range s.loaders {
		rest, ok := strings.CutPrefix(at.String(), l.For)
		if !ok {
			continue
		}
		return l.Store, l.place(at, rest)
	}
	return s.rest, at
}

// place returns the location in the loader's store. rest is the location's name without For.
func (l Loader) place(at thumbnail.Location, rest string) thumbnail.Location {
	if at.IsURL() || l.Containers && at.Container != "" {
		return at
	}
	return thumbnail.Location{Path: l.Prefix + rest}
}

// Head returns the data about an original.
func (s *Store) Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error) {
	store, there := s.find(at)
	return store.Head(ctx, there)
}

// Open opens an original for reading.
func (s *Store) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	store, there := s.find(at)
	return store.Open(ctx, there)
}

// Plain reports whether the store of the name gives its object as a file.
func (s *Store) Plain(at thumbnail.Location) bool {
	store, there := s.find(at)
	return objectstore.IsPlain(store, there)
}

// Origin returns the prefix of the name's loader, with the host of a URL.
func (s *Store) Origin(at thumbnail.Location) string {
	for _, l := range s.loaders {
		if strings.HasPrefix(at.String(), l.For) {
			return l.For + objectstore.HostOf(at)
		}
	}
	return objectstore.HostOf(at)
}

// Put calls Put of the store of the name.
func (s *Store) Put(ctx context.Context, at thumbnail.Location, body []byte, meta objectstore.Meta) error {
	store, there := s.find(at)
	return store.Put(ctx, there, body, meta)
}

// Delete calls Delete of the store of the name.
func (s *Store) Delete(ctx context.Context, at thumbnail.Location) error {
	store, there := s.find(at)
	return store.Delete(ctx, there)
}

// List returns errors.ErrUnsupported: it cannot merge several stores.
func (s *Store) List(context.Context, thumbnail.Location, string) ([]thumbnail.Location, error) {
	return nil, errors.ErrUnsupported
}

// Close closes all stores.
func (s *Store) Close() error {
	err := s.rest.Close()
	for _, l := range s.loaders {
		err = errors.Join(err, l.Store.Close())
	}
	return err
}
