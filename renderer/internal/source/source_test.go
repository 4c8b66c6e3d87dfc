package source

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // stores promise MD5
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a store that counts its readers, and whose readers can break off. All originals are alike.
// It embeds the interface for the methods that a source does not call.
type store struct {
	objectstore.Store
	size    int
	version string
	md5     string        // the promised checksum
	cut     int64         // a reader breaks off after so many bytes; 0 = never
	hold    chan struct{} // readers wait until it is closed
	opened  atomic.Int64
	reading atomic.Int64 // open readers
	most    atomic.Int64 // the most open readers at once
}

type object struct {
	content *bytes.Reader
	s       *store
	left    int64
}

func (o *object) Read(p []byte) (int, error) {
	if o.s.hold != nil {
		<-o.s.hold
	}
	if o.s.cut > 0 && o.left <= 0 {
		return 0, errors.New("the store broke off")
	}
	n, err := o.content.Read(p[:min(int64(len(p)), max(1, o.left))])
	o.left -= int64(n)
	return n, err
}

func (o *object) Seek(offset int64, whence int) (int64, error) {
	return o.content.Seek(offset, whence)
}

func (o *object) Close() error { o.s.reading.Add(-1); return nil }

func (s *store) Open(context.Context, thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	s.opened.Add(1)
	s.most.Store(max(s.most.Load(), s.reading.Add(1)))
	left := int64(s.size)
	if s.cut > 0 {
		left = s.cut
	}
	return &object{bytes.NewReader(content(s.size)), s, left}, objectstore.Info{Size: int64(s.size), Version: s.version, MD5: s.md5}, nil
}

func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

func newSource(t *testing.T, s *store, change func(*Config)) *Source {
	t.Helper()
	c := Config{
		Originals: s, Dir: filepath.Join(t.TempDir(), "originals"), Downloads: 4, MaxBytes: 1 << 20, Room: 10_000,
		Timeout: 10 * time.Second, Metrics: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&c)
	}
	source, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func at(path string) thumbnail.Location { return thumbnail.Location{Path: path} }

func fetch(t *testing.T, s *Source, path, version string) *Original {
	t.Helper()
	o, err := s.Fetch(t.Context(), at(path), version)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestSizesOfOneOriginalShareOneDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{size: 1000, version: "v", hold: make(chan struct{})}
		s := newSource(t, st, nil)
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				o := fetch(t, s, "a", "v")
				defer o.Release()
				if got, err := io.ReadAll(o.File); err != nil || !bytes.Equal(got, content(1000)) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		}
		synctest.Wait() // all jobs wait for the one download
		close(st.hold)
		group.Wait()
		fetch(t, s, "a", "v").Release()
		if n := st.opened.Load(); n != 1 {
			t.Errorf("%d downloads", n)
		}
		if n := counted(t, s.reused); n != 20 {
			t.Errorf("%v fetches used the file on the disk, want 20", n)
		}
		fetch(t, s, "a", "").Release() // the version is unknown
		if n := st.opened.Load(); n != 2 {
			t.Errorf("%d downloads", n)
		}
	})
}

func TestADownloadGoesOnWhereItBrokeOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{size: 1000, version: "v", cut: 400}
		o := fetch(t, newSource(t, st, nil), "a", "v")
		defer o.Release()
		if got, err := io.ReadAll(o.File); err != nil || !bytes.Equal(got, content(1000)) || st.opened.Load() != 3 {
			t.Errorf("%d bytes, %v, %d readers", len(got), err, st.opened.Load())
		}
		st.cut = 1 // the download never ends
		if _, err := newSource(t, st, nil).Fetch(t.Context(), at("b"), "v"); !fault.Is(err, fault.OriginalStore) {
			t.Errorf("a store that breaks off: %v", err)
		}
		if n := st.reading.Load(); n != 0 {
			t.Errorf("%d readers are open", n)
		}
	})
}

// Room is bounded: the source deletes kept files, and never files in use.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{size: 4000, version: "v"}
		s := newSource(t, st, nil)
		a := fetch(t, s, "a", "v")
		fetch(t, s, "b", "v").Release()
		fetch(t, s, "c", "v").Release() // in the place of b
		if s.kept.Len() != 1 {
			t.Errorf("%d files are kept", s.kept.Len())
		}
		if left, _ := os.ReadDir(s.config.Dir); len(left) != 2 {
			t.Errorf("%d files", len(left))
		}
		d := fetch(t, s, "d", "v") // in the place of c
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := s.Fetch(ctx, at("e"), "v"); !fault.Is(err, fault.Internal) {
				t.Errorf("no room: %v", err)
			}
		})
		synctest.Wait() // the fetch waits for room
		cancel()
		group.Wait()
		a.Release()
		d.Release()
		fetch(t, s, "e", "v").Release()
		st.size = 20_000
		if _, err := s.Fetch(t.Context(), at("f"), "v"); !fault.Is(err, fault.Internal) {
			t.Errorf("more than all room: %v", err)
		}
	})
}

// A fetch that waits for room gets it as soon as a file is no longer in use.
func TestWaitingForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, &store{size: 6000, version: "v"}, nil)
		a := fetch(t, s, "a", "v")
		var group sync.WaitGroup
		group.Go(func() { fetch(t, s, "b", "v").Release() })
		synctest.Wait() // the fetch waits for room
		a.Release()
		group.Wait()
		if left, _ := os.ReadDir(s.config.Dir); len(left) != 1 {
			t.Errorf("%d files", len(left))
		}
	})
}

func TestDownloadsAreBounded(t *testing.T) {
	st := &store{size: 10, version: "v"}
	s := newSource(t, st, func(c *Config) { c.Downloads = 2 })
	var group sync.WaitGroup
	for i := range 30 {
		group.Go(func() { fetch(t, s, string(rune('a'+i)), "v").Release() })
	}
	group.Wait()
	if st.most.Load() > 2 {
		t.Errorf("%d downloads at once, want at most 2", st.most.Load())
	}
}

// A fetch whose job ends does not end other fetches: the next fetch downloads the original itself.
func TestAnotherJobsEndIsNotOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{size: 10, version: "v", hold: make(chan struct{})}
		s := newSource(t, st, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := s.Fetch(ctx, at("a"), "v"); err == nil {
				t.Error("the canceled fetch returns a file")
			}
		})
		synctest.Wait()
		group.Go(func() { fetch(t, s, "a", "v").Release() })
		synctest.Wait()
		cancel()
		close(st.hold)
		group.Wait()
		if n := st.reading.Load(); n != 0 {
			t.Errorf("%d readers are open", n)
		}
	})
}

func TestRefusals(t *testing.T) {
	st := &store{size: 2 << 20, version: "v"}
	if _, err := newSource(t, st, nil).Fetch(t.Context(), at("a"), "v"); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too large: %v", err)
	}
	st.size = 0
	if _, err := newSource(t, st, nil).Fetch(t.Context(), at("a"), "v"); !fault.Is(err, fault.Undecodable) {
		t.Errorf("empty: %v", err)
	}
	st.size = 10
	s := newSource(t, st, nil)
	if err := os.RemoveAll(s.config.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Fetch(t.Context(), at("a"), "v"); !fault.Is(err, fault.Internal) {
		t.Errorf("no folder: %v", err)
	}
}

func TestFaultsOfFetches(t *testing.T) {
	for err, want := range map[error]fault.Kind{
		syscall.ENOSPC: fault.Unavailable, syscall.EDQUOT: fault.Unavailable, os.ErrPermission: fault.Internal, io.ErrUnexpectedEOF: fault.OriginalStore,
	} {
		if got := fetchFault(&os.PathError{Op: "write", Path: "a", Err: err}); !fault.Is(got, want) {
			t.Errorf("%v: %v, want %s", err, got, want)
		}
	}
}

// A new upload is another version: the file has the store's version.
func TestVersions(t *testing.T) {
	st := &store{size: 10, version: "new"}
	s := newSource(t, st, nil)
	o := fetch(t, s, "a", "old")
	o.Release()
	if o.Version != "new" {
		t.Errorf("version %q", o.Version)
	}
	fetch(t, s, "a", "old").Release()
	if st.opened.Load() != 2 {
		t.Error("the source uses another version than the requested one")
	}
}

// The source compares the store's checksum with all bytes of a download, even if it resumed.
func TestChecksums(t *testing.T) {
	sum := md5.Sum(content(1000)) //nolint:gosec // stores promise MD5
	right := hex.EncodeToString(sum[:])
	for name, k := range map[string]struct {
		md5 string
		cut int64
		ok  bool
	}{
		"none":                     {"", 0, true},
		"the right one":            {right, 0, true},
		"the right one, in pieces": {right, 400, true},
		"a wrong one":              {strings.Repeat("0", 32), 0, false},
		"a wrong one, in pieces":   {strings.Repeat("0", 32), 400, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(t, &store{size: 1000, version: "v", md5: k.md5, cut: k.cut}, nil)
			o, err := s.Fetch(t.Context(), at("a"), "v")
			if (err == nil) != k.ok || err != nil && !fault.Is(err, fault.OriginalStore) {
				t.Errorf("%s: %v", name, err)
			}
			if err == nil {
				o.Release()
			}
		})
	}
}

func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
