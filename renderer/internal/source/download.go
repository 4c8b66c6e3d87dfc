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
	// resumes is the number of times that a download resumes after the store breaks off.
	resumes = 3
	// resumeAfter is the wait before a download resumes.
	resumeAfter = 100 * time.Millisecond
	// fileMode lets the tools read the file, because tools run as another user. The folder is open to no
	// other user.
	fileMode = 0o644
)

// download fills the entry's file. If the store no longer has the requested version, download takes
// the store's version, and does not keep the file for other uses.
func (s *Source) download(ctx context.Context, e *entry) error {
	release, err := s.places.acquire(ctx, s.Origin(e.key.at))
	if err != nil {
		return fault.Wrap(err, fault.OriginalStore, "the download of the original did not begin in time: the renderer is at its limit of %d downloads of this origin", s.config.Downloads)
	}
	defer release()
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

// look opens an original in its store. It returns a fault if the original is absent, too large or
// empty.
func (s *Source) look(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	object, info, err := s.config.Originals.Open(ctx, at)
	switch {
	case errors.Is(err, objectstore.ErrNotFound):
		return nil, info, fault.New(fault.Absent, "the original does not exist")
	case err != nil:
		return nil, info, objectstore.Fault(err)
	case info.Size > s.config.MaxBytes:
		err = fault.New(fault.TooLarge, "the original has %d bytes; at most %d bytes are allowed", info.Size, s.config.MaxBytes)
	case info.Size == 0:
		err = fault.New(fault.Undecodable, "the original is empty")
	default:
		return object, info, nil
	}
	_ = object.Close()
	return nil, info, err
}

// copy writes the object to the entry's file. If the store breaks off, copy resumes at the same
// offset.
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
			return fault.New(fault.OriginalStore, "the original's bytes do not match the checksum of its store")
		}
		if err == nil {
			return file.Close()
		}
		if done > info.Size || full(err) || errors.Is(err, objectstore.ErrSlow) || ctx.Err() != nil || try == resumes {
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

// resume opens the original again at an offset. It returns a fault if the version changed.
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
		return nil, fault.New(fault.OriginalStore, "the original changed while the renderer read it: ask again")
	}
	if _, err := object.Seek(from, io.SeekStart); err != nil {
		_ = object.Close()
		return nil, fetchFault(err)
	}
	return object, nil
}

func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// fetchFault returns an Unavailable fault for a full disk of the renderer, an Internal fault for other errors of its disk,
// and an OriginalStore fault for all other errors.
func fetchFault(err error) error {
	if full(err) {
		return fault.Wrap(err, fault.Unavailable, "the renderer's disk has no room for the original: ask again")
	}
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		return fault.Wrap(err, fault.Internal, "the renderer cannot write the original to its disk")
	}
	if errors.Is(err, objectstore.ErrSlow) {
		return objectstore.Fault(err)
	}
	return fault.Wrap(err, fault.OriginalStore, "cannot read the original to its end")
}

// withContext stops reading when the context ends, even if the store's library does not.
type withContext struct {
	ctx  context.Context //nolint:containedctx // io.Reader takes no context
	from io.Reader
}

func (r withContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}
