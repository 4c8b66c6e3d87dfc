package swiftstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ncw/swift/v2"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/objectstore/storetest"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestRealSwift(t *testing.T) {
	server := servers.StartSwift(t, "")
	bucket := server.Bucket
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
	t.Run("an account for each role", func(t *testing.T) { eachRoleHasAnAccount(t, server) })
	t.Run("readers of new containers", func(t *testing.T) { newContainersHaveReaders(t, server) })
	t.Run("no new containers without the setting", func(t *testing.T) {
		bucket.CreateAll = false
		strict := New(bucket)
		defer func() { _ = strict.Close() }()
		err := strict.Put(t.Context(), thumbnail.Location{Container: "new", Path: "x"}, []byte("x"), objectstore.Meta{})
		if !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("put into an absent container: %v", err)
		}
	})
}

func eachRoleHasAnAccount(t *testing.T, server servers.SwiftServer) {
	t.Helper()
	server.Container("thumbnails", "test:edge,test:renderer", "test:renderer")
	server.Container("private", "test:renderer", "")
	edge, renderer := New(server.Account("edge")), New(server.Account("renderer"))
	defer func() { _, _ = edge.Close(), renderer.Close() }()
	at := thumbnail.Location{Container: "thumbnails", Path: "a.jpg"}
	if err := renderer.Put(t.Context(), at, []byte("x"), storetest.Meta([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	if _, err := edge.Head(t.Context(), at); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"put":    edge.Put(t.Context(), at, []byte("y"), storetest.Meta([]byte("y"))),
		"delete": edge.Delete(t.Context(), at),
		"list":   second(edge.List(t.Context(), thumbnail.Location{Container: "private"}, "")),
	} {
		if err == nil || errors.Is(err, objectstore.ErrNotFound) || !errors.Is(err, swift.Forbidden) {
			t.Errorf("an edge's account: %s returns %v", what, err)
		}
	}
}

func newContainersHaveReaders(t *testing.T, server servers.SwiftServer) {
	t.Helper()
	bucket := server.Bucket
	bucket.ReadACL = ".r:*"
	open := New(bucket, "site-office-local-public")
	defer func() { _ = open.Close() }()
	for container, want := range map[string]string{
		"site-en-local-thumb": ".r:*", "site-en-local-thumb.ab": ".r:*", "thumbor": "",
		"site-en-local-temp": "", "site-office-local-thumb": "", "site-office-local-thumb.ab": "",
	} {
		if err := open.Put(t.Context(), thumbnail.Location{Container: container, Path: "x"}, []byte("x"), storetest.Meta([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		if got := server.Readers(container); got != want {
			t.Errorf("%s: %q, want %q", container, got, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestASwiftThatIsAway(t *testing.T) {
	store := New(storeconfig.Bucket{AuthURL: "http://127.0.0.1:1/auth/v1.0", User: "u", Container: "c"})
	defer func() { _ = store.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := store.Head(ctx, thumbnail.Location{Path: "x"}); err == nil || errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("head: %v", err)
	}
}
