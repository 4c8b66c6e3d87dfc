package directory

import (
	"context"
	"crypto/md5" //nolint:gosec // the ETag is an MD5, no secret
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/periodic"
)

const (
	// scrubbedTo is the file below tempDir with the name of the last thumbnail that an unfinished scrub read.
	scrubbedTo = "scrubbed-to"
	// noteEvery is the number of bytes between two notes in that file.
	noteEvery = 64 << 20
)

// Scrub reads all thumbnails, at most rate bytes a second, and removes the ones whose content does not have their MD5.
// It calls each with every result. It returns ctx's error, or an error of a folder that it cannot list. Files that are
// no thumbnails stay. A scrub that ends early, or dies, goes on near there the next time: a process that restarts more
// often than a scrub takes would otherwise never read the last thumbnails.
func (s *Store) Scrub(ctx context.Context, rate int, each func(damaged bool)) error {
	last, err := s.root.ReadFile(path.Join(tempDir, scrubbedTo))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	p := progress{root: s.root, skip: strings.Split(string(last), "/")}
	if err := s.scrub(ctx, rate, each, &p); err != nil {
		p.note()
		return err
	}
	return p.end()
}

func (s *Store) scrub(ctx context.Context, rate int, each func(damaged bool), p *progress) error {
	return fs.WalkDir(s.root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // evicted during the walk
		}
		if err != nil || !entry.Type().IsRegular() || strings.HasPrefix(name, tempDir+"/") {
			if err == nil && entry.IsDir() && p.isBefore(name) {
				return fs.SkipDir
			}
			return errors.Join(err, ctx.Err())
		}
		if ctx.Err() != nil || p.isBefore(name) {
			return ctx.Err()
		}
		size, damaged, err := s.examine(name)
		if err == nil {
			each(damaged)
		}
		p.add(name, size)
		return periodic.Sleep(ctx, time.Duration(size)*time.Second/time.Duration(rate))
	})
}

// progress is how far a scrub came.
type progress struct {
	root  *os.Root
	skip  []string // the parts of the name after which the scrub goes on; one empty part: from the beginning
	last  string   // the name of the last thumbnail
	since int64    // bytes since the last note
}

// isBefore reports whether an earlier scrub read a file, or all of a folder. A walk takes names in the order of their
// parts.
func (p *progress) isBefore(name string) bool {
	parts := strings.Split(name, "/")
	if name == "." || len(parts) < len(p.skip) && slices.Equal(parts, p.skip[:len(parts)]) {
		return false
	}
	return slices.Compare(parts, p.skip) <= 0
}

func (p *progress) add(name string, size int64) {
	p.last = name
	if p.since += size; p.since >= noteEvery {
		p.note()
	}
}

// note writes the last name. A crash may leave a part of it, and a full disk nothing: both only move the place.
func (p *progress) note() {
	p.since = 0
	if p.last != "" {
		_ = p.root.WriteFile(path.Join(tempDir, scrubbedTo), []byte(p.last), 0o644)
	}
}

// end says that the next scrub begins anew.
func (p *progress) end() error {
	if err := p.root.Remove(path.Join(tempDir, scrubbedTo)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
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
