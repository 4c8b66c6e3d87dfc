package directory

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storetest"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// writes names the folder in which a test's child process writes until it is killed.
const writes = "THUMBMILL_TEST_WRITES"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writes); dir != "" {
		write(dir)
	}
	goleak.VerifyTestMain(m)
}

func thumbnails(t *testing.T, dir string, maxBytes uint64) *Store {
	t.Helper()
	s, err := NewThumbnails(dir, Options{MaxBytes: maxBytes, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSuite(t *testing.T) {
	t.Run("unbounded", func(t *testing.T) { storetest.Run(t, thumbnails(t, t.TempDir(), 0)) })
	t.Run("bounded", func(t *testing.T) { storetest.Run(t, thumbnails(t, t.TempDir(), 100<<20)) })
}

func TestOriginalsAreConfined(t *testing.T) {
	outside := t.TempDir()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "plain.jpg"), []byte("thumbmill-1\n"), 0o600))
	must(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")))
	must(t, os.Symlink(outside, filepath.Join(dir, "linkdir")))
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	s, err := NewOriginals(dir)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	if info, err := s.Head(t.Context(), thumbnail.Location{Path: "plain.jpg"}); err != nil || info.Size != 12 {
		t.Errorf("a plain file: %+v, %v", info, err)
	}
	for _, path := range []string{"link", "linkdir/secret", "fifo", ".", "plain.jpg/x"} {
		if _, err := s.Head(t.Context(), thumbnail.Location{Path: path}); !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCrashLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := thumbnails(t, dir, 0)
	body := []byte("an image")
	must(t, s.Put(t.Context(), thumbnail.Location{Path: "a/b"}, body, storetest.Meta(body)))
	must(t, s.Close())
	half, written := filepath.Join(dir, tempDir, "half"), filepath.Join(dir, tempDir, "written now")
	must(t, os.WriteFile(half, []byte("half"), 0o600))
	must(t, os.Chtimes(half, time.Time{}, time.Now().Add(-time.Hour)))
	must(t, os.WriteFile(written, []byte("by another process"), 0o600))
	must(t, os.Truncate(filepath.Join(dir, "a/b"), 12)) // a possible effect of a power failure
	s = thumbnails(t, dir, 0)
	if _, err := s.Head(t.Context(), thumbnail.Location{Path: "a/b"}); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("open a torn thumbnail: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, tempDir)); len(left) != 1 {
		t.Errorf("files are left: %v", left)
	}
}

// An operator may empty the folder while the store is open.
func TestFoldersThatAreRemovedAreMadeAgain(t *testing.T) {
	dir := t.TempDir()
	s, err := NewThumbnails(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	at := thumbnail.Location{Container: "thumbs", Path: "a/b.jpg"}
	for range 2 {
		if err := s.Put(t.Context(), at, []byte("body"), objectstore.Meta{}); err != nil {
			t.Fatal(err)
		}
		if info, err := s.Head(t.Context(), at); err != nil || info.Size != 4 {
			t.Fatalf("%d bytes, %v", info.Size, err)
		}
		for _, folder := range []string{tempDir, "thumbs"} {
			if err := os.RemoveAll(filepath.Join(dir, folder)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestBoundIsKept(t *testing.T) {
	dir := t.TempDir()
	const bound = 1 << 20
	s := thumbnails(t, dir, bound)
	body := make([]byte, 50_000)
	for i := range 100 {
		must(t, s.Put(t.Context(), thumbnail.Location{Path: fmt.Sprintf("%d/x", i)}, body, storetest.Meta(body)))
	}
	must(t, s.Close())
	if size := diskUse(t, dir); size > bound || size < bound/2 {
		t.Errorf("%d bytes are stored with a bound of %d", size, bound)
	}
	s = thumbnails(t, dir, bound/2) // a restart with a lower bound
	must(t, s.Close())
	if size := diskUse(t, dir); size > bound/2 {
		t.Errorf("%d bytes are stored with a bound of %d after a restart", size, bound/2)
	}
}

func diskUse(t *testing.T, dir string) (total int64) {
	t.Helper()
	must(t, filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	}))
	return total
}

// write stores thumbnails of growing sizes, and prints a line for each.
func write(dir string) {
	s, err := NewThumbnails(dir, Options{Sync: true})
	for i := 0; err == nil; i++ {
		body := bytes.Repeat([]byte{byte(i)}, 1000+i%50*20_000)
		err = s.Put(context.Background(), thumbnail.Location{Path: fmt.Sprint("a/", i)}, body, storetest.Meta(body))
		fmt.Println(i)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// A process that is killed in the middle of its writes leaves whole thumbnails only, and all that it reported.
func TestKilledWriters(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		child := exec.Command(os.Args[0]) //nolint:gosec // this test itself
		child.Env = append(os.Environ(), writes+"="+dir)
		out, err := child.StdoutPipe()
		must(t, err)
		must(t, child.Start())
		last := 0
		lines := bufio.NewScanner(out)
		for lines.Scan() && last < 20 {
			last, err = strconv.Atoi(lines.Text())
			must(t, err)
		}
		must(t, child.Process.Kill())
		_ = child.Wait() // the signal is its error
		s := thumbnails(t, dir, 0)
		for i := range last + 1 {
			if _, err := s.Head(t.Context(), thumbnail.Location{Path: fmt.Sprint("a/", i)}); err != nil {
				t.Errorf("thumbnail %d of %d: %v", i, last, err)
			}
		}
		must(t, s.Scrub(t.Context(), 1<<40, func(damaged bool) {
			if damaged {
				t.Error("a thumbnail is damaged")
			}
		}))
	}
}
