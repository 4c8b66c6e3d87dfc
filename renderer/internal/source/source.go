// Package source downloads originals from the object store to this machine's disk, and keeps
// recently used originals. Several sizes of one original then cost one download.
//
// Downloads have a bound for each origin and need no slot. A download that breaks off resumes at the same
// offset. All files together are bounded in bytes; the source deletes kept files to make room for
// files in use.
package source

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Config has the settings and the dependencies of a source.
type Config struct {
	Originals objectstore.Store
	Dir       string // the source's own folder; New makes it
	Downloads int    // the most downloads at once of one origin, as in objectstore.Origin
	MaxBytes  int64  // the most bytes of one original
	Room      int64  // the most bytes of all files together, with the files in use
	Timeout   time.Duration
	Metrics   prometheus.Registerer
}

// Source fetches and keeps originals.
type Source struct {
	config  Config
	places  *places
	room    *semaphore.Weighted // bytes
	fetched prometheus.Counter
	reused  prometheus.Counter
	serial  atomic.Int64

	mu      sync.Mutex
	files   map[key]*entry
	kept    *list.List // unused entries, the most recently used in front
	waiting int        // downloads that wait for room
}

// key is one version of one original.
type key struct {
	at      thumbnail.Location
	version string
}

// entry is one file. done is closed when the download has ended; err is then its error.
type entry struct {
	key   key
	path  string
	size  int64
	users int
	place *list.Element // the element in kept, or nil while the entry has users
	done  chan struct{}
	err   error
}

// wait returns nil when the download has ended, even if ctx has ended too. It returns a fault if ctx
// ends first.
func (e *entry) wait(ctx context.Context) error {
	select {
	case <-e.done:
		return nil
	default:
	}
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.OriginalStore, "the download of the original did not end in time")
	}
}

// Original is a file in use, until Release closes it.
type Original struct {
	File    *os.File
	Version string  // the store's version of the file
	Size    int64   // bytes
	direct  *direct // nil: File is in the source's folder
	release func()
}

// Release closes the file and ends its use.
func (o *Original) Release() { _ = o.File.Close(); o.release() }

// New returns a source, registers its metrics, and makes its folder. It returns an error if the
// folder exists already.
func New(c Config) (*Source, error) {
	s := &Source{
		config: c, places: newPlaces(c.Downloads), room: semaphore.NewWeighted(c.Room),
		files: map[key]*entry{}, kept: list.New(),
		fetched: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "thumbmill_fetch_bytes_total", Help: "Bytes of originals that the renderer downloaded.",
		}),
		reused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "thumbmill_fetch_reused_total", Help: "Fetches of originals that were already on the renderer's disk.",
		}),
	}
	c.Metrics.MustRegister(s.fetched, s.reused)
	return s, os.Mkdir(c.Dir, 0o700)
}

// Origin names the loader and the host of an original, as objectstore.Origin.
func (s *Source) Origin(at thumbnail.Location) string {
	return objectstore.Origin(s.config.Originals, at)
}

// Fetch returns the original. version is the version that the edge saw, or "". Fetch uses a file of
// that version without asking the store. Errors are faults.
func (s *Source) Fetch(ctx context.Context, at thumbnail.Location, version string) (*Original, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	if objectstore.IsPlain(s.config.Originals, at) {
		return s.openDirectly(ctx, at)
	}
	return s.fetch(ctx, at, version)
}

// fetch returns the original as a file in the source's folder.
func (s *Source) fetch(ctx context.Context, at thumbnail.Location, version string) (*Original, error) {
	for {
		e, ours := s.join(key{at, version})
		if ours {
			s.fill(ctx, e)
		}
		if err := e.wait(ctx); err != nil {
			s.leave(e)
			return nil, err
		}
		original, err := s.open(e)
		if err != nil {
			s.leave(e)
		}
		if err == nil && !ours {
			s.reused.Inc()
		}
		gaveUp := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
		if err == nil || ours || !gaveUp || ctx.Err() != nil {
			return original, err
		}
		// The time of another job ended: this job downloads the original itself.
	}
}

// fill downloads the original, and tells all waiting jobs. Later jobs try a failed download again.
func (s *Source) fill(ctx context.Context, e *entry) {
	e.err = s.download(ctx, e)
	s.mu.Lock()
	if e.err != nil && s.files[e.key] == e {
		delete(s.files, e.key)
	}
	s.mu.Unlock()
	close(e.done)
}

// join returns the entry of a file, or makes an entry. ours says that the caller must fill the entry.
func (s *Source) join(k key) (e *entry, ours bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.files[k]; ok && k.version != "" {
		e.users++
		if e.place != nil {
			s.kept.Remove(e.place)
			e.place = nil
		}
		return e, false
	}
	e = &entry{key: k, users: 1, done: make(chan struct{}), path: filepath.Join(s.config.Dir, fmt.Sprint(s.serial.Add(1)))}
	if k.version != "" {
		s.files[k] = e
	}
	return e, true
}

// Forget forgets the files of all versions of an original. Later fetches read the original from the
// store again.
func (s *Source) Forget(at thumbnail.Location) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, e := range s.files {
		if k.at != at {
			continue
		}
		delete(s.files, k)
		if e.place != nil { // the file is not in use
			s.kept.Remove(e.place)
			e.place = nil
			s.remove(e)
		}
	}
}

func (s *Source) open(e *entry) (*Original, error) {
	if e.err != nil {
		return nil, e.err
	}
	file, err := os.Open(e.path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "cannot open the original on the renderer's disk")
	}
	return &Original{File: file, Version: e.key.version, Size: e.size, release: sync.OnceFunc(func() { s.leave(e) })}, nil
}

// leave ends a use of the entry. After the last use it keeps the file for later uses, unless the
// download failed, the file was forgotten, or another download waits for room.
func (s *Source) leave(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.users--
	if e.users > 0 {
		return
	}
	if e.err == nil && s.files[e.key] == e && s.waiting == 0 {
		e.place = s.kept.PushFront(e)
		return
	}
	s.remove(e)
}

// remove deletes a file that is not in use.
func (s *Source) remove(e *entry) {
	if s.files[e.key] == e {
		delete(s.files, e.key)
	}
	_ = os.Remove(e.path)
	s.room.Release(e.size)
	e.size = 0
}

// reserve takes room for a file of this size in bytes. It deletes kept files if necessary, and waits
// for room until ctx ends. Errors are faults.
func (s *Source) reserve(ctx context.Context, size int64) error {
	if size > s.config.Room {
		return fault.New(fault.Internal, "the renderer has no room for the original: it has %d bytes, and the room for all originals is %d bytes", size, s.config.Room)
	}
	if s.reserveAtOnce(size) {
		return nil
	}
	err := s.room.Acquire(ctx, size)
	s.mu.Lock()
	s.waiting--
	s.mu.Unlock()
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the renderer has no room for the original: all %d bytes of room are in use", s.config.Room)
	}
	return nil
}

// reserveAtOnce takes room and returns true, or counts the caller as waiting and returns false. The
// source keeps no unused files while a download waits.
func (s *Source) reserveAtOnce(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.room.TryAcquire(size) {
		if s.waiting > 0 || !s.evict() {
			s.waiting++
			return false
		}
	}
	return true
}

// evict deletes the least recently used kept file. It returns false if there is no kept file.
func (s *Source) evict() bool {
	last := s.kept.Back()
	if last == nil {
		return false
	}
	s.kept.Remove(last)
	s.remove(last.Value.(*entry))
	return true
}
