package s3store

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/objectstore/storetest"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, b storeconfig.Bucket) *Store {
	t.Helper()
	s, err := New(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// The service is Swift's own S3 interface.
func TestRealS3(t *testing.T) {
	bucket := servers.S3(t)
	store := open(t, bucket)
	storetest.Run(t, store)
	t.Run("keys that begin with a slash", func(t *testing.T) {
		b := bucket
		b.Slash = true
		at, body := thumbnail.Location{Path: "st/a.jpg"}, []byte("x")
		slashed := open(t, b)
		if err := slashed.Put(t.Context(), at, body, storetest.Meta(body)); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Head(t.Context(), at); !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("the key st/a.jpg: %v, want that only /st/a.jpg exists", err)
		}
		if _, err := slashed.Head(t.Context(), at); err != nil {
			t.Error(err)
		}
		if all, err := slashed.List(t.Context(), thumbnail.Location{Path: "st/"}, ""); err != nil || len(all) != 1 || all[0] != at {
			t.Errorf("listed %v, %v", all, err)
		}
		if err := slashed.Delete(t.Context(), at); err != nil {
			t.Error(err)
		}
	})
	t.Run("a wrong secret", func(t *testing.T) {
		bucket.Key = "wrong"
		err := open(t, bucket).Put(t.Context(), thumbnail.Location{Path: "x"}, []byte("x"), objectstore.Meta{})
		if !errors.Is(err, objectstore.ErrReadOnly) {
			t.Errorf("put: %v", err)
		}
	})
	t.Run("secrets from the environment", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", bucket.User)
		t.Setenv("AWS_SECRET_ACCESS_KEY", "testing")
		b := bucket
		b.User, b.Key = "", ""
		if err := open(t, b).Put(t.Context(), thumbnail.Location{Path: "env"}, []byte("x"), storetest.Meta([]byte("x"))); err != nil {
			t.Error(err)
		}
	})
	t.Run("no new buckets without the setting", func(t *testing.T) {
		bucket.Key, bucket.CreateAll, bucket.Container = "testing", false, "another"
		err := open(t, bucket).Put(t.Context(), thumbnail.Location{Path: "x"}, []byte("x"), objectstore.Meta{})
		if !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("put into an absent bucket: %v", err)
		}
	})
}

func TestAServiceThatIsAway(t *testing.T) {
	store := open(t, storeconfig.Bucket{Endpoint: "http://127.0.0.1:1", User: "u", Key: "k", Container: "pictures", Region: "us-east-1"})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := store.Head(ctx, thumbnail.Location{Path: "x"}); err == nil || errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("head: %v", err)
	}
}
