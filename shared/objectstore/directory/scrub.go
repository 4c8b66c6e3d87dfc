package directory

import (
	"context"
	"crypto/md5" //nolint:gosec // the ETag is an MD5, no secret
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/periodic"
)

// Scrub reads all thumbnails, at most rate bytes a second, and removes the ones whose content does not have their MD5.
// It calls each with every result. It returns ctx's error, or an error of a folder that it cannot list. Files that are
// no thumbnails stay.
func (s *Store) Scrub(ctx context.Context, rate int, each func(damaged bool)) error {
	return fs.WalkDir(s.root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // evicted during the walk
		}
		if err != nil || !entry.Type().IsRegular() || strings.HasPrefix(name, tempDir+"/") {
			return errors.Join(err, ctx.Err())
		}
		size, damaged, err := s.examine(name)
		if err == nil {
			each(damaged)
		}
		return periodic.Sleep(ctx, time.Duration(size)*time.Second/time.Duration(rate))
	})
}

// examine reads a thumbnail, and removes a damaged one. Its error says that the file is no readable thumbnail.
func (s *Store) examine(name string) (size int64, damaged bool, err error) {
	object, info, err := s.openCurrent(name)
	if err != nil {
		return 0, false, err
	}
	sound, err := Sound(object, info)
	err = errors.Join(err, object.Close())
	if err != nil || sound {
		return info.Size, false, err
	}
	if again, now, err := s.openCurrent(name); err == nil {
		if _ = again.Close(); !now.Modified.Equal(info.Modified) { // another process replaced the thumbnail meanwhile
			return info.Size, false, nil
		}
	}
	if s.index != nil {
		s.index.forget(name)
	}
	return info.Size, true, remove(s.root, name)
}

// Sound reports whether the content of an object, which it reads from its beginning and rewinds, has the store's MD5.
// Content that the disk cannot read is not sound. An object without an MD5 is sound.
func Sound(o objectstore.Object, info objectstore.Info) (bool, error) {
	if info.MD5 == "" {
		return true, nil
	}
	sum := md5.New() //nolint:gosec // as above
	if _, err := io.Copy(sum, o); errors.Is(err, syscall.EIO) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	_, err := o.Seek(0, io.SeekStart)
	return hex.EncodeToString(sum.Sum(nil)) == info.MD5, err
}
