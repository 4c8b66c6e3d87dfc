// Package storetest is the suite that every object store passes. The tests of
// directory, swiftstore, s3store and blobstore use it.
package storetest

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // ETags are MD5
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Run tests a store of thumbnails against the promises of the interface.
func Run(t *testing.T, store objectstore.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, objectstore.Store){
		"absent": absent, "round trip": roundTrip, "bare": bare, "seek": seek, "replace": replace,
		"delete": deletes, "lists": lists, "names": names, "bad names": badNames, "concurrent": concurrent, "cancelled": cancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, store) })
	}
}

func at(path string) thumbnail.Location { return thumbnail.Location{Container: "suite", Path: path} }

// Meta makes the metadata of a thumbnail with the given content.
func Meta(body []byte) objectstore.Meta {
	sum := md5.Sum(body) //nolint:gosec // ETags are MD5
	return objectstore.Meta{
		ContentType: "image/png", ETag: hex.EncodeToString(sum[:]), Disposition: "inline;filename*=UTF-8''K%C3%A4se.png",
		XKey: "File:K\u00e4se & Brot.png", SpecDigest: "digest", Rules: 1, OriginalVersion: "v1",
		Spec:     `{"original":{"path":"K\u00e4se.png"},"operations":"` + strings.Repeat("x", 1000) + `"}`,
		Rendered: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Sides: objectstore.Sides{595.276, 841.89},
	}
}

func put(t *testing.T, s objectstore.Store, path string, body []byte) {
	t.Helper()
	if err := s.Put(t.Context(), at(path), body, Meta(body)); err != nil {
		t.Fatalf("put %q: %v", path, err)
	}
}

func read(t *testing.T, s objectstore.Store, path string) ([]byte, objectstore.Info) {
	t.Helper()
	object, info, err := s.Open(t.Context(), at(path))
	if err != nil {
		t.Fatalf("open %q: %v", path, err)
	}
	defer func() { _ = object.Close() }()
	body, err := io.ReadAll(object)
	if err != nil {
		t.Fatalf("read %q: %v", path, err)
	}
	return body, info
}

func absent(t *testing.T, s objectstore.Store) {
	if _, err := s.Head(t.Context(), at("nothing")); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("head: %v", err)
	}
	if _, _, err := s.Open(t.Context(), at("nothing")); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("open: %v", err)
	}
	elsewhere := thumbnail.Location{Container: "no-such-container", Path: "x"}
	if _, err := s.Head(t.Context(), elsewhere); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("head in an absent container: %v", err)
	}
}

func roundTrip(t *testing.T, s objectstore.Store) {
	for _, size := range []int{0, 1, 1000, 3 << 20} {
		body := bytes.Repeat([]byte{7}, size)
		path := fmt.Sprintf("round/%d", size)
		put(t, s, path, body)
		got, info := read(t, s, path)
		if !bytes.Equal(got, body) || info.Size != int64(size) {
			t.Errorf("%d bytes came back as %d, size %d", size, len(got), info.Size)
		}
		if info.Meta != Meta(body) {
			t.Errorf("metadata came back as %+v", info.Meta)
		}
		head, err := s.Head(t.Context(), at(path))
		if err != nil || head.Size != info.Size || head.Version != info.Version || head.Meta != info.Meta {
			t.Errorf("head differs from open: %+v, %v", head, err)
		}
		if time.Since(head.Modified).Abs() > time.Hour {
			t.Errorf("modified %v", head.Modified)
		}
	}
}

// bare stores a thumbnail with little metadata. Unknown fields stay empty: an original's version may be
// unknown.
func bare(t *testing.T, s objectstore.Store) {
	body := []byte("bare")
	meta := objectstore.Meta{ContentType: "image/png", ETag: Meta(body).ETag, Rendered: Meta(body).Rendered}
	if err := s.Put(t.Context(), at("bare"), body, meta); err != nil {
		t.Fatal(err)
	}
	if _, info := read(t, s, "bare"); info.Meta != meta {
		t.Errorf("metadata came back as %+v", info.Meta)
	}
}

func seek(t *testing.T, s objectstore.Store) {
	put(t, s, "seek", []byte("0123456789"))
	object, _, err := s.Open(t.Context(), at("seek"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = object.Close() }()
	if end, err := object.Seek(0, io.SeekEnd); end != 10 || err != nil {
		t.Fatalf("the end is at %d, %v", end, err)
	}
	for _, from := range []int64{6, 0, 9} {
		if _, err := object.Seek(from, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(object)
		if string(rest) != "0123456789"[from:] || err != nil {
			t.Errorf("from %d: %q, %v", from, rest, err)
		}
	}
}

func replace(t *testing.T, s objectstore.Store) {
	put(t, s, "replace", []byte("old and longer"))
	_, before := read(t, s, "replace")
	put(t, s, "replace", []byte("new"))
	body, after := read(t, s, "replace")
	if string(body) != "new" || before.Version == after.Version {
		t.Errorf("after a replacement: %q, version %q then %q", body, before.Version, after.Version)
	}
}

func deletes(t *testing.T, s objectstore.Store) {
	put(t, s, "deep/down/delete", []byte("x"))
	for range 2 {
		if err := s.Delete(t.Context(), at("deep/down/delete")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Head(t.Context(), at("deep/down/delete")); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("after delete: %v", err)
	}
}

func names(t *testing.T, s objectstore.Store) {
	for _, name := range []string{
		"Käse_€.jpg/330px-Käse_€.jpg.png", "a b/c+d&e=f", "percent%20%41", "question?mark#hash", "'quote\"`$(id)",
		strings.Repeat("x", 200) + "/" + strings.Repeat("y", 200), "20160729183014!1Mcolors.jpg/400px",
	} {
		put(t, s, name, []byte(name))
		if body, _ := read(t, s, name); string(body) != name {
			t.Errorf("%q holds %q", name, body)
		}
	}
}

func badNames(t *testing.T, s objectstore.Store) {
	for _, name := range []string{"", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a\x00b", "\xff", strings.Repeat("x", 5000)} {
		if _, err := s.Head(t.Context(), at(name)); !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("head %q: %v", name, err)
		}
		if err := s.Put(t.Context(), at(name), []byte("x"), objectstore.Meta{}); err == nil {
			t.Errorf("put %q was accepted", name)
		}
	}
}

func concurrent(t *testing.T, s objectstore.Store) {
	var group sync.WaitGroup
	for _, letter := range "abcdefgh" {
		group.Go(func() {
			body := bytes.Repeat([]byte(string(letter)), 10_000)
			if err := s.Put(t.Context(), at("concurrent"), body, Meta(body)); err != nil {
				t.Errorf("put: %v", err)
				return
			}
			object, info, err := s.Open(t.Context(), at("concurrent"))
			for tries := 0; errors.Is(err, objectstore.ErrNotFound) && tries < 8; tries++ {
				// Swift looks for an object's file before it opens the file: a newer file may replace
				// it meanwhile.
				object, info, err = s.Open(t.Context(), at("concurrent"))
			}
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			defer func() { _ = object.Close() }()
			got, err := io.ReadAll(object)
			if err != nil || Meta(got).ETag != info.Meta.ETag {
				t.Errorf("a torn object: %d bytes, %v", len(got), err)
			}
		})
	}
	group.Wait()
}

func cancelled(t *testing.T, s objectstore.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, at("cancelled"), []byte("x"), objectstore.Meta{}); err == nil {
		t.Error("put ignores its context")
	}
	if _, err := s.Head(ctx, at("cancelled")); err == nil || errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("head with a cancelled context: %v", err)
	}
}

// lists tests pages, prefixes that end within a name, and an order other than the order of folders.
func lists(t *testing.T, s objectstore.Store) {
	for _, path := range []string{"list/a/1", "list/a-b", "list/a/é€", "list/b", "list/ab"} {
		put(t, s, path, []byte("x"))
	}
	for prefix, want := range map[string]string{
		"list/":     "list/a-b list/a/1 list/a/é€ list/ab list/b",
		"list/a":    "list/a-b list/a/1 list/a/é€ list/ab",
		"list/a/":   "list/a/1 list/a/é€",
		"list/c":    "",
		"absent/x/": "",
	} {
		if got := strings.Join(listed(t, s, at(prefix), ""), " "); got != want {
			t.Errorf("below %q: %s", prefix, got)
		}
	}
	if got := strings.Join(listed(t, s, at("list/"), "list/a/1"), " "); got != "list/a/é€ list/ab list/b" {
		t.Errorf("after the second name: %s", got)
	}
	if got := listed(t, s, thumbnail.Location{Container: "no-such-container", Path: "x/"}, ""); len(got) > 0 {
		t.Errorf("an absent container lists %v", got)
	}
}

func listed(t *testing.T, s objectstore.Store, in thumbnail.Location, after string) (paths []string) {
	t.Helper()
	all, err := s.List(t.Context(), in, after)
	if err != nil {
		t.Fatalf("list %v: %v", in, err)
	}
	for _, at := range all {
		if at.Container != in.Container {
			t.Errorf("the list of %[2]v has %[1]v", at, in)
		}
		paths = append(paths, at.Path)
	}
	return paths
}
