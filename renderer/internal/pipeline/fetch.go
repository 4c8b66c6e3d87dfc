package pipeline

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
)

// fetch streams the original into a file without a name, and tells its version.
func (j *job) fetch(ctx context.Context) (*os.File, string, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	object, info, err := j.Originals.Open(ctx, j.Spec.Original)
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, "", fault.New(fault.Absent, "the original does not exist")
	}
	if err != nil {
		return nil, "", fault.Wrap(err, fault.OriginalStore, "the original could not be read")
	}
	defer func() { _ = object.Close() }()
	if info.Size > j.MaxOriginalBytes {
		return nil, "", fault.New(fault.TooLarge, "the original has %d bytes; at most %d are rendered", info.Size, j.MaxOriginalBytes)
	}
	if info.Size == 0 {
		return nil, "", fault.New(fault.Undecodable, "the original is empty")
	}
	file, err := namelessFile(j.TempDir)
	if err != nil {
		return nil, "", fault.Wrap(err, fault.Internal, "the renderer has no room for the original")
	}
	n, err := io.Copy(file, io.LimitReader(withContext{ctx, object}, j.MaxOriginalBytes+1))
	j.metrics.fetched.Add(float64(n))
	j.metrics.step("fetch", began)
	if err == nil && n != info.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		_ = file.Close()
		return nil, "", fetchFault(err)
	}
	j.result.FetchMS = milliseconds(time.Since(began))
	return file, info.Version, nil
}

// fetchFault tells a disk of ours from a store of others.
func fetchFault(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(err, fault.Internal, "the renderer has no room for the original")
	}
	return fault.Wrap(err, fault.OriginalStore, "the original could not be read to its end")
}

// withContext ends a reading that the store's library does not.
type withContext struct {
	ctx context.Context //nolint:containedctx // io.Reader has no other way
	io.Reader
}

func (r withContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

func namelessFile(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "original-")
	if err != nil {
		return nil, err
	}
	return file, errors.Join(os.Remove(file.Name()))
}
