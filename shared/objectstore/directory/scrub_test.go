package directory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storetest"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// A scrub removes thumbnails whose bytes changed on the disk, small and large, and nothing else.
func TestScrub(t *testing.T) {
	dir := t.TempDir()
	s := thumbnails(t, dir, 100<<20)
	for name, size := range map[string]int{"a/small": 1000, "a/sound": 1000, "b/large": 2 * smallest, "b/sound": 2 * smallest} {
		body := make([]byte, size)
		must(t, s.Put(t.Context(), thumbnail.Location{Path: name}, body, storetest.Meta(body)))
	}
	foreign := filepath.Join(dir, "b", "README")
	must(t, os.WriteFile(foreign, []byte("no thumbnail"), 0o600))
	for _, name := range []string{"a/small", "b/large"} {
		flip(t, filepath.Join(dir, name))
	}
	sound, damaged := 0, 0
	must(t, s.Scrub(t.Context(), 1<<40, func(bad bool) {
		if bad {
			damaged++
		} else {
			sound++
		}
	}))
	if sound != 2 || damaged != 2 {
		t.Errorf("%d sound and %d damaged, want 2 and 2", sound, damaged)
	}
	for name, gone := range map[string]bool{"a/small": true, "b/large": true, "a/sound": false, "b/sound": false} {
		if _, err := s.Head(t.Context(), thumbnail.Location{Path: name}); errors.Is(err, objectstore.ErrNotFound) != gone {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Scrub(ctx, 1, func(bool) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("a scrub whose context ends returns %v", err)
	}
}

// A scrub that ends early goes on where it stopped, also in another process, and the one after it begins anew.
func TestAScrubGoesOn(t *testing.T) {
	dir := t.TempDir()
	names := []string{"a-b/x", "a/b/1", "a/b/2", "a/b-1", "a/c/1", "b", "z"} // bytewise, "a-b" comes before "a/b"
	s := thumbnails(t, dir, 100<<20)
	body := make([]byte, 100)
	for _, name := range names {
		must(t, s.Put(t.Context(), thumbnail.Location{Path: name}, body, storetest.Meta(body)))
	}
	for stop := range len(names) {
		ctx, cancel := context.WithCancel(t.Context())
		read := 0
		err := s.Scrub(ctx, 1<<40, func(bool) {
			if read++; read == stop+1 {
				cancel()
			}
		})
		if stop+1 < len(names) && !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped after %d: %v", stop+1, err)
		}
		s = thumbnails(t, dir, 100<<20)
		must(t, s.Scrub(t.Context(), 1<<40, func(bool) { read++ }))
		if err != nil && read != len(names) {
			t.Errorf("stopped after %d, and then read %d in all, want %d", stop+1, read, len(names))
		}
		cancel()
		read = 0
		must(t, s.Scrub(t.Context(), 1<<40, func(bool) { read++ }))
		if read != len(names) {
			t.Errorf("the next scrub reads %d, want %d", read, len(names))
		}
	}
}

// flip changes a bit of a file's first byte.
func flip(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path) //nolint:gosec // the test's own
	must(t, err)
	content[0] ^= 1
	must(t, os.WriteFile(path, content, 0o600))
}

// BenchmarkPut compares writes that wait for the disk with writes that do not, side by side.
func BenchmarkPut(b *testing.B) {
	body := make([]byte, 20_000) // a usual thumbnail
	for _, sync := range []bool{false, true} {
		b.Run(fmt.Sprintf("sync=%v", sync), func(b *testing.B) {
			s, err := NewThumbnails(b.TempDir(), Options{Sync: sync})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			meta := storetest.Meta(body)
			for i := 0; b.Loop(); i++ {
				if err := s.Put(b.Context(), thumbnail.Location{Path: fmt.Sprintf("%d/%d", i%100, i)}, body, meta); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
