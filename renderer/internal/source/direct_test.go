package source

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore/directory"
)

// newDirect returns a source of a folder with one original of 4000 bytes, and the original's path.
func newDirect(t *testing.T, change func(*Config)) (s *Source, path string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "a.jpg")
	if err := os.WriteFile(path, content(4000), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := directory.NewOriginals(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return newSource(t, nil, func(c *Config) {
		c.Originals = store
		if change != nil {
			change(c)
		}
	}), path
}

func files(t *testing.T, s *Source) int {
	t.Helper()
	all, err := os.ReadDir(s.config.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// The renderer reads a directory's original in place; the original takes no room.
func TestADirectorysOriginalIsNotCopied(t *testing.T) {
	s, _ := newDirect(t, func(c *Config) { c.Room = 1 })
	one, two := fetch(t, s, "a.jpg", "v"), fetch(t, s, "a.jpg", "v")
	for _, o := range []*Original{one, two} { // each file has its own offset
		got, err := io.ReadAll(o.File)
		if err != nil || string(got) != string(content(4000)) || o.Size != 4000 {
			t.Errorf("%d bytes of %d, %v", len(got), o.Size, err)
		}
	}
	if n := files(t, s); n != 0 || one.Changed() {
		t.Errorf("%d files, changed: %v", n, one.Changed())
	}
	one.Release()
	two.Release()
	if _, err := one.File.Stat(); err == nil {
		t.Error("the file is still open")
	}
}

// A tool gets a copy of a directory's original. Other users can read the copy, the copy counts in
// the room, and other sizes use the same copy.
func TestAToolsOriginalIsCopiedOnce(t *testing.T) {
	s, path := newDirect(t, nil)
	for range 2 {
		o := fetch(t, s, "a.jpg", "")
		named, err := o.Named(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		again, err := o.Named(t.Context())
		if err != nil || again != named || filepath.Dir(named.Name()) != s.config.Dir {
			t.Errorf("%v, %v", named.Name(), err)
		}
		got, err := os.ReadFile(named.Name())
		if err != nil || string(got) != string(content(4000)) || files(t, s) != 1 {
			t.Errorf("%d bytes in %d files, %v", len(got), files(t, s), err)
		}
		if mode, err := named.Stat(); err != nil || mode.Mode().Perm() != fileMode {
			t.Errorf("%v, %v", mode.Mode(), err)
		}
		o.Release()
	}
	o := fetch(t, s, "a.jpg", "")
	defer o.Release()
	if err := os.WriteFile(path, content(5000), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Forget(at("a.jpg"))
	if _, err := o.Named(t.Context()); !fault.Is(err, fault.OriginalStore) {
		t.Errorf("Named copies another version than Fetch opened: %v", err)
	}
	small, _ := newDirect(t, func(c *Config) { c.Room = 1 })
	o = fetch(t, small, "a.jpg", "")
	defer o.Release()
	if _, err := o.Named(t.Context()); !fault.Is(err, fault.Internal) {
		t.Errorf("Named copies without room: %v", err)
	}
}

// Changed notices a write to the file, and not a new file of the same name.
func TestChangesUnderWay(t *testing.T) {
	for name, k := range map[string]struct {
		change func(path string) error
		want   bool
	}{
		"unchanged": {func(string) error { return nil }, false},
		"truncated": {func(p string) error { return os.Truncate(p, 10) }, true},
		"written, with the same size": {func(p string) error {
			return os.Chtimes(p, time.Time{}, time.Now().Add(time.Second))
		}, true},
		"replaced": {func(p string) error {
			if err := os.WriteFile(p+".new", content(7), 0o600); err != nil {
				return err
			}
			return os.Rename(p+".new", p)
		}, false},
	} {
		s, path := newDirect(t, nil)
		o := fetch(t, s, "a.jpg", "")
		if err := k.change(path); err != nil {
			t.Fatal(err)
		}
		if o.Changed() != k.want {
			t.Errorf("%s: changed is %v", name, !k.want)
		}
		o.Release()
	}
}

// The source refuses a directory's originals that are too large or empty, and reads no file outside
// of the directory.
func TestADirectorysRefusals(t *testing.T) {
	s, path := newDirect(t, func(c *Config) { c.MaxBytes = 3999 })
	for name, make := range map[string]func(string) error{
		"out.jpg":   func(p string) error { return os.Symlink("/etc/passwd", p) },
		"empty.jpg": func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"dir.jpg":   func(p string) error { return os.Mkdir(p, 0o700) },
	} {
		if err := make(filepath.Join(filepath.Dir(path), name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, kind := range map[string]fault.Kind{
		"a.jpg": fault.TooLarge, "out.jpg": fault.Absent, "empty.jpg": fault.Undecodable, "dir.jpg": fault.Absent, "none.jpg": fault.Absent,
	} {
		if _, err := s.Fetch(t.Context(), at(name), ""); !fault.Is(err, kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
