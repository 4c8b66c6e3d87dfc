package s3store

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // as S3 does
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/objectstore/storetest"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// oneObject is a service with one object of 100,000 bytes, which takes any object.
func oneObject(w http.ResponseWriter, r *http.Request) {
	content := bytes.Repeat([]byte("0123456789"), 10_000)
	if r.Method == http.MethodPut {
		content, _ = io.ReadAll(r.Body)
	}
	sum := md5.Sum(content) //nolint:gosec // as above
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	if r.Method != http.MethodPut {
		http.ServeContent(w, r, "", time.Unix(1_700_000_000, 0), bytes.NewReader(content))
	}
}

func disturbed(t *testing.T) (*Store, *wire.Disturbed) {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(oneObject))
	t.Cleanup(service.Close)
	d := wire.Disturb(t, service.URL)
	return open(t, storeconfig.Bucket{Endpoint: d.URL, User: "u", Key: "k", Container: "pictures", Region: "us-east-1"}), d
}

func every(*http.Request) bool { return true }

// read returns the number of bytes of the object.
func read(t *testing.T, s *Store) (int, error) {
	t.Helper()
	object, _, err := s.Open(t.Context(), thumbnail.Location{Path: "x"})
	if err != nil {
		return 0, err
	}
	defer func() { _ = object.Close() }()
	content, err := io.ReadAll(object)
	return len(content), err
}

// An error in the body of a success is no object, and no thumbnail that is stored.
func TestSuccessesThatAreErrors(t *testing.T) {
	s, d := disturbed(t)
	at, body := thumbnail.Location{Path: "x"}, []byte("x")
	if err := s.Put(t.Context(), at, body, storetest.Meta(body)); err != nil {
		t.Fatal(err)
	}
	disguise := func(w http.ResponseWriter, r *http.Request, _ func(func(*http.Response) error)) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		_, _ = io.WriteString(w, "<Error><Code>InternalError</Code></Error>")
	}
	d.Do(func(r *http.Request) bool { return r.Method == http.MethodPut }, disguise)
	if err := s.Put(t.Context(), at, body, storetest.Meta(body)); err == nil {
		t.Error("an older object counts as the stored one")
	}
	d.Do(every, disguise)
	if n, err := read(t, s); err == nil || errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if _, err := s.Head(t.Context(), at); err == nil || errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("head: %v", err)
	}
	if err := s.Put(t.Context(), at, body, storetest.Meta(body)); err == nil {
		t.Error("the error counts as a stored object")
	}
}

// An object that breaks off is an error. It is never short.
func TestObjectsThatBreakOff(t *testing.T) {
	s, d := disturbed(t)
	d.Do(every, wire.Once(wire.Truncate))
	if n, err := read(t, s); err == nil {
		t.Errorf("%d bytes without an error", n)
	}
	if n, err := read(t, s); n != 100_000 || err != nil {
		t.Errorf("afterwards: %d bytes, %v", n, err)
	}
}

// A service that sends the head of its answer a byte at a time holds nobody beyond the deadline.
func TestAHeadThatDrips(t *testing.T) {
	s, d := disturbed(t)
	d.Do(every, wire.Drip)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := s.Head(ctx, thumbnail.Location{Path: "x"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
}
