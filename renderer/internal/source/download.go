package source

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// resumes is how often a download that breaks off goes on.
	resumes = 3
	// resumeAfter leaves the store a moment.
	resumeAfter = 100 * time.Millisecond
	// readable by the tools, which run as another user; the folder is not.
	fileMode = 0o644
)

// download fills the entry's file. An entry that was asked for in a version that
// the store has no more is filled with what there is, and kept for nobody else.
func (s *Source) download(ctx context.Context, e *entry) error {
	if err := s.places.Acquire(ctx, 1); err != nil {
		return fault.Wrap(err, fault.OriginalStore, "no download could begin in time")
	}
	defer s.places.Release(1)
	object, info, err := s.look(ctx, e.key.at)
	if err != nil {
		return err
	}
	defer func() { _ = object.Close() }()
	if err := s.reserve(ctx, info.Size); err != nil {
		return err
	}
	s.mu.Lock()
	e.size = info.Size
	if info.Version != e.key.version && s.files[e.key] == e {
		delete(s.files, e.key)
	}
	e.key.version = info.Version
	s.mu.Unlock()
	return s.copy(ctx, e, object, info)
}

// look opens an original in its store, unless it is absent, too large or empty.
func (s *Source) look(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	object, info, err := s.config.Originals.Open(ctx, at)
	switch {
	case errors.Is(err, objectstore.ErrNotFound):
		return nil, info, fault.New(fault.Absent, "the original does not exist")
	case err != nil:
		return nil, info, objectstore.Fault(err)
	case info.Size > s.config.MaxBytes:
		err = fault.New(fault.TooLarge, "the original has %d bytes; at most %d are rendered", info.Size, s.config.MaxBytes)
	case info.Size == 0:
		err = fault.New(fault.Undecodable, "the original is empty")
	default:
		return object, info, nil
	}
	_ = object.Close()
	return nil, info, err
}

// copy streams to the file, and goes on from where it was when the store breaks off.
func (s *Source) copy(ctx context.Context, e *entry, object objectstore.Object, info objectstore.Info) error {
	file, err := os.OpenFile(e.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return fetchFault(err)
	}
	defer func() { _ = file.Close() }()
	check := newChecksum(info.MD5)
	buffer := make([]byte, min(info.Size+1, copyBuffer))
	var done int64
	for try := 0; ; try++ {
		var n int64
		n, err = copyTo(file, check, io.LimitReader(withContext{ctx, object}, info.Size-done+1), buffer)
		done += n
		s.fetched.Add(float64(n))
		if err == nil && done != info.Size {
			err = io.ErrUnexpectedEOF
		}
		if err == nil && !check.right() {
			return fault.New(fault.OriginalStore, "the original that was read is not the one whose checksum its store tells")
		}
		if err == nil {
			return file.Close()
		}
		if done > info.Size || full(err) || ctx.Err() != nil || try == resumes {
			return fetchFault(err)
		}
		again, err := s.resume(ctx, e, done, info.Version)
		if err != nil {
			return err
		}
		defer func() { _ = again.Close() }()
		object = again
	}
}

// resume opens the original once more, from an offset on.
func (s *Source) resume(ctx context.Context, e *entry, from int64, version string) (objectstore.Object, error) {
	if err := periodic.Sleep(ctx, resumeAfter); err != nil {
		return nil, fetchFault(err)
	}
	object, info, err := s.config.Originals.Open(ctx, e.key.at)
	if err != nil {
		return nil, fetchFault(err)
	}
	if info.Version != version {
		_ = object.Close()
		return nil, fault.New(fault.OriginalStore, "the original changed while it was read")
	}
	if _, err := object.Seek(from, io.SeekStart); err != nil {
		_ = object.Close()
		return nil, fetchFault(err)
	}
	return object, nil
}

func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// fetchFault tells a disk of ours from a store of others.
func fetchFault(err error) error {
	if full(err) || errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		return fault.Wrap(err, fault.Internal, "the renderer has no room for the original")
	}
	return fault.Wrap(err, fault.OriginalStore, "the original could not be read to its end")
}

// withContext ends a reading that the store's library does not.
type withContext struct {
	ctx  context.Context //nolint:containedctx // io.Reader has no other way
	from io.Reader
}

func (r withContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}
