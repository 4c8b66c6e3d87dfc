package stored

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/edge/internal/originals"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/directory"
	"github.com/thumbmill/thumbmill/shared/objectstore/storetest"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/settings/value"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPurgesAreCounted(t *testing.T) {
	p, err := newPurges(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	a, b := thumbnail.Location{Path: "a"}, thumbnail.Location{Path: "b"}
	before := p.count()
	p.add(a)
	between := p.count()
	if !p.after(before, a) || p.after(between, a) || p.after(before, b) {
		t.Errorf("a purge of a: %v %v %v", p.after(before, a), p.after(between, a), p.after(before, b))
	}
	p.addAll()
	if !p.after(between, b) || p.after(p.count(), b) {
		t.Error("a purge of all is not after the earlier number")
	}
}

// When the cache drops a purge, everything is void.
func TestTooManyPurges(t *testing.T) {
	p, err := newPurges(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	first := thumbnail.Location{Path: "first"}
	before := p.count()
	p.add(first)
	for i := range purgesBound + purgesBound/4 {
		p.add(thumbnail.Location{Path: fmt.Sprint(i)})
		if i%1000 == 0 && !p.after(before, first) {
			t.Fatalf("the first purge is forgotten after %d others", i)
		}
	}
	if !p.after(before, first) {
		t.Error("the first purge is forgotten")
	}
}

// slow is a store whose Open waits until the test sends to proceed.
type slow struct {
	objectstore.Store
	opened, proceed chan struct{}
}

func (s slow) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	object, info, err := s.Store.Open(ctx, at)
	if s.opened != nil {
		s.opened <- struct{}{}
		<-s.proceed
	}
	return object, info, err
}

func finder(t *testing.T, e settings.Edge, store objectstore.Store, hears func() bool) *Finder {
	t.Helper()
	heads, err := originals.New(store)
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(Config{Edge: e, Thumbnails: store, Heads: heads, Hears: hears, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(); heads.Close() })
	return f
}

func folder(t *testing.T) objectstore.Store {
	t.Helper()
	s, err := directory.NewThumbnails(t.TempDir(), directory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func put(t *testing.T, s objectstore.Store, at thumbnail.Location, body string) {
	t.Helper()
	if err := s.Put(t.Context(), at, []byte(body), storetest.Meta([]byte(body))); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, f *Finder, asked target.Target) string {
	t.Helper()
	hit, err := f.Find(t.Context(), asked, false)
	if errors.Is(err, objectstore.ErrNotFound) {
		return "absent"
	}
	if err != nil {
		t.Fatal(err)
	}
	if hit.Object == nil {
		return string(hit.Image)
	}
	defer func() { _ = hit.Object.Close() }()
	body, err := io.ReadAll(hit.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

var asked = target.Target{Key: thumbnail.Location{Path: "key"}, Spec: thumbnail.Spec{Original: thumbnail.Location{Path: "original"}}}

// A picture that was read before a purge is not used after the purge.
func TestAPurgeBetweenReadingAndRemembering(t *testing.T) {
	s := slow{folder(t), make(chan struct{}), make(chan struct{})}
	put(t, s.Store, asked.Key, "old")
	f := finder(t, settings.Edge{Memory: 1 << 20, Outdated: settings.Keep}, s, func() bool { return true })
	got := make(chan string)
	go func() { got <- read(t, f, asked) }()
	<-s.opened
	put(t, s.Store, asked.Key, "new")
	f.Forget(asked.Spec.Original)
	s.proceed <- struct{}{}
	<-got // this read began before the purge
	go func() { <-s.opened; s.proceed <- struct{}{} }()
	if now := read(t, f, asked); now != "new" {
		t.Errorf("after the purge: %s", now)
	}
}

func TestMemoryIsUsedWhileTheEdgeHears(t *testing.T) {
	store, hears := folder(t), true
	put(t, store, asked.Key, "old")
	f := finder(t, settings.Edge{Memory: 1 << 20, Outdated: settings.Keep}, store, func() bool { return hears })
	_ = read(t, f, asked)
	put(t, store, asked.Key, "new")
	if now := read(t, f, asked); now != "old" {
		t.Errorf("from memory: %s", now)
	}
	hears = false
	if _, ok := f.AtHand(t.Context(), asked); ok {
		t.Error("AtHand of a deaf edge found a picture in memory")
	}
	if now := read(t, f, asked); now != "new" {
		t.Errorf("a deaf edge serves %s", now)
	}
	hears = true
	f.ForgetAll()
	if now := read(t, f, asked); now != "new" {
		t.Errorf("after the edge was deaf: %s", now)
	}
}

// When a picture in memory is stale, Find reads the store.
func TestAStalePictureInMemory(t *testing.T) {
	store := folder(t)
	put(t, store, asked.Key, "old")
	put(t, store, asked.Spec.Original, "v1")
	e := settings.Edge{Memory: 1 << 20, Outdated: settings.Keep, Revalidate: time.Millisecond}
	f := finder(t, e, store, func() bool { return true })
	version := func(body string) { putVersion(t, store, body) }
	version("old")
	if now := read(t, f, asked); now != "old" {
		t.Fatal(now)
	}
	put(t, store, asked.Spec.Original, "version 2")
	eventually.Holds(t, 10*time.Second, "the thumbnail of the earlier upload is not served", func() bool { return read(t, f, asked) == "absent" })
	version("new")
	for range 3 {
		if now := read(t, f, asked); now != "new" {
			t.Errorf("after the render: %s", now)
		}
	}
}

// putVersion stores a thumbnail of the original's version.
func putVersion(t *testing.T, store objectstore.Store, body string) {
	t.Helper()
	info, err := store.Head(t.Context(), asked.Spec.Original)
	if err != nil {
		t.Fatal(err)
	}
	meta := storetest.Meta([]byte(body))
	meta.OriginalVersion = info.Version
	if err := store.Put(t.Context(), asked.Key, []byte(body), meta); err != nil {
		t.Fatal(err)
	}
}

// asOf is a URL that names the time of an upload.
func asOf(at time.Time) target.Target {
	t := asked
	t.AsOf = at
	return t
}

// A URL that names an upload after the last comparison makes the edge compare again, and nothing else does.
func TestAVersionAfterTheLastComparison(t *testing.T) {
	store := folder(t)
	put(t, store, asked.Spec.Original, "v1")
	putVersion(t, store, "old")
	f := finder(t, settings.Edge{Memory: 1 << 20, Outdated: settings.Keep, Revalidate: time.Hour}, store, func() bool { return true })
	_ = read(t, f, asked)
	put(t, store, asked.Spec.Original, "version 2")
	now := time.Now()
	for name, u := range map[string]target.Target{
		"no version": asked, "an earlier upload": asOf(now.Add(-time.Hour)), "a version of the far future": asOf(now.Add(time.Hour)),
	} {
		if _, ok := f.AtHand(t.Context(), u); !ok || read(t, f, u) != "old" {
			t.Errorf("%s: the edge compared again", name)
		}
	}
	if _, ok := f.AtHand(t.Context(), asOf(now)); ok {
		t.Error("AtHand finds the picture of the upload before")
	}
	if got := read(t, f, asOf(now)); got != "absent" {
		t.Errorf("the new upload's own URL shows the picture %s", got)
	}
	putVersion(t, store, "new")
	for _, u := range []target.Target{asOf(now), asked} {
		if got := read(t, f, u); got != "new" {
			t.Errorf("after the render: %s", got)
		}
	}
}

// The clocks of the wiki and of the edge may differ.
func TestWhatComesBeforeAVersion(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		compared, upload time.Time
		before           bool
	}{
		"no version":                        {now, time.Time{}, false},
		"an upload after the comparison":    {now.Add(-time.Hour), now.Add(-time.Minute), true},
		"an upload before the comparison":   {now.Add(-time.Minute), now.Add(-time.Hour), false},
		"an upload just before":             {now, now.Add(-skew / 2), true},
		"an upload that long before":        {now, now.Add(-2 * skew), false},
		"the wiki's clock is a bit ahead":   {now, now.Add(ahead / 2), true},
		"no clock can be that far ahead":    {now, now.Add(2 * ahead), false},
		"nor after an earlier comparison":   {now.Add(-time.Hour), now.Add(2 * ahead), false},
		"compared later than that, by skew": {now.Add(skew + time.Second), now, false},
	} {
		version := asOf(c.upload)
		if got := (comparison{at: c.compared}).before(&version); got != c.before {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// silent is a store of originals that does not answer while down is set.
type silent struct {
	heads Heads
	down  bool
}

func (s *silent) Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error) {
	if s.down {
		return objectstore.Info{}, fault.New(fault.OriginalStore, "the store does not answer")
	}
	return s.heads.Head(ctx, at)
}

// A thumbnail is unsure until it is compared with its original.
func TestAThumbnailThatCannotBeCompared(t *testing.T) {
	store := folder(t)
	put(t, store, asked.Spec.Original, "v1")
	putVersion(t, store, "picture")
	for _, memory := range []value.Bytes{0, 1 << 20} {
		f := finder(t, settings.Edge{Memory: memory, Outdated: settings.Keep, Revalidate: time.Hour}, store, func() bool { return true })
		heads := &silent{f.config.Heads, true}
		f.config.Heads = heads
		unsure := func() bool {
			hit, err := f.Find(t.Context(), asked, false)
			if err != nil {
				t.Fatal(err)
			}
			if hit.Object != nil {
				_ = hit.Object.Close()
			}
			return hit.Unsure
		}
		for range 2 {
			if !unsure() {
				t.Error("the edge is sure of a thumbnail that it could not compare")
			}
		}
		heads.down = false
		eventually.Holds(t, 10*askAgain, "the edge compares again", func() bool { return !unsure() })
	}
}

func TestADamagedThumbnailIsRenderedAgain(t *testing.T) {
	store := folder(t)
	meta := storetest.Meta([]byte("another"))
	if err := store.Put(t.Context(), asked.Key, []byte("picture"), meta); err != nil {
		t.Fatal(err)
	}
	f := finder(t, settings.Edge{Memory: 1 << 20, Outdated: settings.Keep}, store, func() bool { return true })
	if now := read(t, f, asked); now != "absent" {
		t.Errorf("%s", now)
	}
}

func TestLargeAndPrivatePicturesAreNotKept(t *testing.T) {
	store := folder(t)
	f := finder(t, settings.Edge{Memory: 1 << 20, Outdated: settings.Keep}, store, func() bool { return true })
	private, large := asked, asked
	private.Private, large.Key.Path = true, "large"
	put(t, store, private.Key, "private")
	put(t, store, large.Key, string(bytes.Repeat([]byte("x"), 1<<20/largestShare+1)))
	for _, k := range []target.Target{private, large} {
		_ = read(t, f, k)
		if _, ok := f.AtHand(t.Context(), k); ok {
			t.Errorf("%s is in memory", k.Key.Path)
		}
	}
}

// A thumbnail of a directory whose bytes changed is deleted at the first hit, with and without memory, so that it is
// rendered again.
func TestDamagedThumbnailsAreDropped(t *testing.T) {
	for _, memory := range []value.Bytes{0, 1 << 20} {
		dir := t.TempDir()
		store, err := directory.NewThumbnails(dir, directory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = store.Close() }()
		f := finder(t, settings.Edge{Memory: memory, Outdated: settings.Keep}, store, func() bool { return true })
		f.verify.local = true // AtHand would change as well with Config.Local
		put(t, store, asked.Key, "a picture")
		path := filepath.Join(dir, asked.Key.Path)
		content, err := os.ReadFile(path) //nolint:gosec // the test's own
		if err == nil {
			content[3] ^= 1
			err = os.WriteFile(path, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, f, asked); got != "absent" {
			t.Errorf("with a memory of %d bytes: %q", memory, got)
		}
		if _, err := store.Head(t.Context(), asked.Key); !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("with a memory of %d bytes, the damaged thumbnail is still there: %v", memory, err)
		}
		put(t, store, asked.Key, "rendered again")
		if got := read(t, f, asked); got != "rendered again" {
			t.Errorf("afterwards: %q", got)
		}
	}
}
