// Package source brings originals from the object store onto this machine's disk,
// and keeps those that were used last, so that several sizes of one original cost
// one download.
//
// Downloads have places of their own and hold no slot of a render. One that
// breaks off goes on where it was. All files together are bounded in bytes: what
// is in use counts first, and what is only kept gives way.
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

// Config is what a source is made of.
type Config struct {
	Originals objectstore.Store
	Dir       string // of its own, empty
	Downloads int    // at once
	MaxBytes  int64  // of one original
	Room      int64  // bytes of all files together, those in use included
	Timeout   time.Duration
	Metrics   prometheus.Registerer
}

// Source fetches and keeps originals.
type Source struct {
	config  Config
	places  *semaphore.Weighted
	room    *semaphore.Weighted // bytes
	fetched prometheus.Counter
	reused  prometheus.Counter
	serial  atomic.Int64

	mu      sync.Mutex
	files   map[key]*entry
	kept    *list.List // entries that nobody uses, the one used last in front
	waiting int        // for room
}

// key is one version of one original.
type key struct {
	at      thumbnail.Location
	version string
}

// entry is one file. done is closed when its download has ended, with err.
type entry struct {
	key   key
	path  string
	size  int64
	users int
	place *list.Element // in kept, when there are no users
	done  chan struct{}
	err   error
}

// wait for the end of the download; that there is one goes before the time.
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
		return fault.Wrap(ctx.Err(), fault.OriginalStore, "the original could not be read in time")
	}
}

// Original is a file in use, until Release, which closes it.
type Original struct {
	File    *os.File
	Version string // as the store had it
	Size    int64
	direct  *direct // nil: File is in a folder of ours
	release func()
}

// Release gives the file back.
func (o *Original) Release() { _ = o.File.Close(); o.release() }

// New makes a source.
func New(c Config) (*Source, error) {
	s := &Source{
		config: c, places: semaphore.NewWeighted(int64(c.Downloads)), room: semaphore.NewWeighted(c.Room),
		files: map[key]*entry{}, kept: list.New(),
		fetched: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "thumbmill_fetch_bytes_total", Help: "Bytes of originals that were fetched.",
		}),
		reused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "thumbmill_fetch_reused_total", Help: "Originals that were on this machine's disk already.",
		}),
	}
	c.Metrics.MustRegister(s.fetched, s.reused)
	return s, os.Mkdir(c.Dir, 0o700)
}

// Fetch gives the original. version is what the edge saw, or "": a file of that
// version is used without asking the store. Errors are faults.
func (s *Source) Fetch(ctx context.Context, at thumbnail.Location, version string) (*Original, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	if objectstore.IsPlain(s.config.Originals, at) {
		return s.openDirectly(ctx, at)
	}
	return s.fetch(ctx, at, version)
}

// fetch gives the original as a file in the folder.
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
		// It was another job whose time was over: this one tries itself.
	}
}

// fill downloads, and tells all who wait. Who comes later tries a failed one anew.
func (s *Source) fill(ctx context.Context, e *entry) {
	e.err = s.download(ctx, e)
	s.mu.Lock()
	if e.err != nil && s.files[e.key] == e {
		delete(s.files, e.key)
	}
	s.mu.Unlock()
	close(e.done)
}

// join finds the file or makes the entry that the caller has to fill.
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

// Forget keeps the file of an original for nobody else, in any version: who fetches it from
// now on reads it anew.
func (s *Source) Forget(at thumbnail.Location) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, e := range s.files {
		if k.at != at {
			continue
		}
		delete(s.files, k)
		if e.place != nil { // nobody uses it
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
		return nil, fault.Wrap(err, fault.Internal, "the original is gone from the renderer's disk")
	}
	return &Original{File: file, Version: e.key.version, Size: e.size, release: sync.OnceFunc(func() { s.leave(e) })}, nil
}

// leave ends a use. The last one keeps the file for others, unless it failed.
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

// remove deletes a file that nobody uses.
func (s *Source) remove(e *entry) {
	if s.files[e.key] == e {
		delete(s.files, e.key)
	}
	_ = os.Remove(e.path)
	s.room.Release(e.size)
	e.size = 0
}

// reserve takes room for a file, from those that are only kept if need be.
func (s *Source) reserve(ctx context.Context, size int64) error {
	if size > s.config.Room {
		return fault.New(fault.Internal, "the renderer has no room for the original: %d bytes, of %d in all", size, s.config.Room)
	}
	if s.reserveAtOnce(size) {
		return nil
	}
	err := s.room.Acquire(ctx, size)
	s.mu.Lock()
	s.waiting--
	s.mu.Unlock()
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the renderer has no room for the original: %d bytes are in use", s.config.Room)
	}
	return nil
}

// reserveAtOnce reserves room, or counts the caller among those who wait for it:
// while there are any, what falls out of use is not kept.
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

// evict removes the file that was used longest ago.
func (s *Source) evict() bool {
	last := s.kept.Back()
	if last == nil {
		return false
	}
	s.kept.Remove(last)
	s.remove(last.Value.(*entry))
	return true
}
