package swiftstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/servers"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storetest"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestRealSwift(t *testing.T) {
	bucket := servers.Swift(t)
	store := New(bucket)
	t.Cleanup(func() { _ = store.Close() })
	storetest.Run(t, store)
	t.Run("default container", func(t *testing.T) {
		at := thumbnail.Location{Path: "a/b.png"}
		if err := store.Put(t.Context(), at, []byte("x"), storetest.Meta([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Head(t.Context(), thumbnail.Location{Container: bucket.Container, Path: at.Path}); err != nil {
			t.Error(err)
		}
	})
	t.Run("no new containers unless asked", func(t *testing.T) {
		bucket.CreateAll = false
		strict := New(bucket)
		defer func() { _ = strict.Close() }()
		err := strict.Put(t.Context(), thumbnail.Location{Container: "new", Path: "x"}, []byte("x"), objectstore.Meta{})
		if !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("put into an absent container: %v", err)
		}
	})
}

func TestASwiftThatIsAway(t *testing.T) {
	store := New(settings.Bucket{AuthURL: "http://127.0.0.1:1/auth/v1.0", User: "u", Container: "c"})
	defer func() { _ = store.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := store.Head(ctx, thumbnail.Location{Path: "x"}); err == nil || errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("head: %v", err)
	}
}
