// Package directory keeps objects as files below one folder. It is the store of a single machine and of
// tests.
//
// Originals are plain files. A thumbnail is one file too, so it appears whole or not at all: the image,
// its metadata as JSON, the length of the metadata, and a magic word. Image viewers ignore the bytes
// after the image. A thumbnail without this end was cut short by a crash, and counts as absent.
//
// The store never reaches files outside of the folder, by "..", by links or otherwise (os.Root). A
// store of thumbnails is bounded in bytes, and evicts the least used ones.
package directory

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nuid"
	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	magic      = "thumbmill-1\n"
	trailerLen = 4 + len(magic)
	maxMeta    = 16 << 10
	tempDir    = ".incoming" // unfinished files; a container cannot have this name
)

// Store is a folder of objects.
type Store struct {
	root    *os.Root
	beneath *beneath // the same folder, for fewer system calls
	plain   bool     // originals: files without metadata, never written
	index   *index   // nil without a bound
	small   *small   // reader of small thumbnails
	sync    bool     // Options.Sync
}

// NewOriginals opens a folder of plain files for reading. It is created if it is missing.
func NewOriginals(dir string) (*Store, error) {
	root, err := openRoot(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{root: root, plain: true}
	if s.beneath, err = openBeneath(root, "."); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Options are choices of a folder of thumbnails.
type Options struct {
	MaxBytes uint64 // bound of all files; 0 = no bound
	// Sync brings the content of each thumbnail to the disk before the thumbnail gets its name. Without it, a power
	// failure may leave a file of the right length whose content never reached the disk. Names reach the disk later in
	// any case: after a power failure a new thumbnail may be missing, which its next request mends.
	Sync bool
}

// NewThumbnails opens a folder of thumbnails, removes unfinished files of a crash, and keeps the folder
// below its bound.
func NewThumbnails(dir string, o Options) (*Store, error) {
	root, err := openRoot(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{root: root, sync: o.Sync}
	if s.beneath, err = openBeneath(root, "."); err == nil {
		s.small, err = newSmall(s.beneath)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := cleanIncoming(root); err != nil && !errors.Is(refused(err), objectstore.ErrReadOnly) { // each write reports a read-only folder
		return nil, errors.Join(fmt.Errorf("clean %s: %w", dir, err), s.Close())
	}
	if o.MaxBytes > 0 {
		if s.index, err = newIndex(root, o.MaxBytes); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// abandonedAfter is the age at which an unfinished file belongs to no process any more. A younger file
// may be another process's.
const abandonedAfter = 10 * time.Minute

func cleanIncoming(root *os.Root) error {
	if err := root.MkdirAll(tempDir, 0o755); err != nil {
		return err
	}
	entries, err := fs.ReadDir(root.FS(), tempDir)
	for _, entry := range entries {
		if entry.Name() == scrubbedTo {
			continue
		}
		if info, statErr := entry.Info(); statErr == nil && time.Since(info.ModTime()) > abandonedAfter {
			err = errors.Join(err, root.Remove(path.Join(tempDir, entry.Name())))
		}
	}
	return err
}

func openRoot(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	return os.OpenRoot(dir)
}

// Close closes the folder.
func (s *Store) Close() error {
	if s.index != nil {
		s.index.close()
	}
	if s.small != nil {
		s.small.close()
	}
	var err error
	if s.beneath != nil {
		err = s.beneath.close()
	}
	return errors.Join(err, s.root.Close())
}

// Head returns the data about an object.
func (s *Store) Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error) {
	if s.plain {
		if info, err := s.headPlain(ctx, at); !errors.Is(err, errNoCall) {
			return info, err
		}
	}
	object, info, err := s.Open(ctx, at)
	if err != nil {
		return info, err
	}
	return info, object.Close()
}

// headPlain is Head of an original.
func (s *Store) headPlain(ctx context.Context, at thumbnail.Location) (objectstore.Info, error) {
	name, err := s.name(ctx, at)
	if err != nil {
		return objectstore.Info{}, err
	}
	fd, stat, err := s.beneath.regular(name)
	if err != nil {
		return objectstore.Info{}, err
	}
	return plainInfo(stat.Size, time.Unix(stat.Mtim.Unix())), unix.Close(fd)
}

// plainInfo returns the data about a file. Its version is made of the file's time and size.
func plainInfo(size int64, modified time.Time) objectstore.Info {
	return objectstore.Info{Size: size, Modified: modified, Version: fmt.Sprintf("%x-%x", modified.UnixNano(), size)}
}

// Open opens an object for reading.
func (s *Store) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	name, err := s.name(ctx, at)
	if err != nil {
		return nil, objectstore.Info{}, err
	}
	object, info, err := s.openCurrent(name)
	if err == nil && s.index != nil {
		s.index.used(name)
	}
	return object, info, err
}

func (s *Store) openCurrent(name string) (objectstore.Object, objectstore.Info, error) {
	if s.small != nil {
		object, info, err := s.small.open(name)
		if !errors.Is(err, errNotSmall) {
			return object, info, err
		}
	}
	file, err := s.openFile(name)
	if err != nil {
		return nil, objectstore.Info{}, err
	}
	info, err := s.inspect(file)
	if err != nil {
		return nil, info, errors.Join(err, file.Close())
	}
	part := section{io.NewSectionReader(file, 0, info.Size), file}
	if s.plain {
		return whole{part, file}, info, nil
	}
	return part, info, nil
}

// openFile opens a file for reading.
func (s *Store) openFile(name string) (*os.File, error) {
	fd, _, err := s.beneath.regular(name)
	if err == nil {
		return blocking(fd, name), nil
	}
	if !errors.Is(err, errNoCall) {
		return nil, err
	}
	// O_NONBLOCK: a FIFO among the originals must not block the caller.
	file, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, notFound(err)
	}
	return file, nil
}

// Plain reports whether objects are plain files, as originals are.
func (s *Store) Plain(thumbnail.Location) bool { return s.plain }

// whole is an object that is a whole file. It embeds section to be an objectstore.Object.
type whole struct {
	section
	file *os.File
}

// File returns the object's file.
func (w whole) File() *os.File { return w.file }

// section is the part of a file that is an object. It embeds a reader and a closer to be an
// objectstore.Object.
type section struct {
	*io.SectionReader
	io.Closer
}

func (s *Store) name(ctx context.Context, at thumbnail.Location) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if !objectstore.Valid(at) || at.Container == tempDir {
		return "", fmt.Errorf("%w: no object can have the name %q", objectstore.ErrNotFound, at)
	}
	return at.String(), nil // Valid accepts only clean names
}

// notFound returns ErrNotFound for each way in which a file system reports absence, and any other error
// unchanged.
func notFound(err error) error {
	escapes := strings.Contains(err.Error(), "path escapes from parent") // os.Root has no error value for it
	if escapes || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) ||
		errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.ELOOP) {
		return objectstore.ErrNotFound
	}
	return err
}

func (s *Store) inspect(file *os.File) (objectstore.Info, error) {
	stat, err := file.Stat()
	if err != nil {
		return objectstore.Info{}, err
	}
	if !stat.Mode().IsRegular() {
		return objectstore.Info{}, objectstore.ErrNotFound
	}
	info := plainInfo(stat.Size(), stat.ModTime())
	if s.plain {
		return info, nil
	}
	info.Meta, info.Size, err = readMeta(file, stat.Size())
	info.Version, info.MD5 = info.Meta.ETag, info.Meta.ETag
	return info, err
}

func readMeta(file io.ReaderAt, size int64) (meta objectstore.Meta, imageSize int64, err error) {
	end := make([]byte, trailerLen)
	if size < int64(trailerLen) {
		return meta, 0, objectstore.ErrNotFound
	}
	if _, err := file.ReadAt(end, size-int64(trailerLen)); err != nil {
		return meta, 0, err
	}
	length := int64(binary.BigEndian.Uint32(end))
	imageSize = size - int64(trailerLen) - length
	if string(end[4:]) != magic || length > maxMeta || imageSize < 0 {
		return meta, 0, objectstore.ErrNotFound
	}
	text := make([]byte, length)
	if _, err := file.ReadAt(text, imageSize); err != nil {
		return meta, 0, err
	}
	if json.Unmarshal(text, &meta) != nil {
		return meta, 0, objectstore.ErrNotFound
	}
	return meta, imageSize, nil
}

// Put stores a thumbnail: it writes a temporary file first, and then renames it.
func (s *Store) Put(ctx context.Context, at thumbnail.Location, body []byte, meta objectstore.Meta) error {
	if s.plain {
		return fmt.Errorf("%w: this store of originals takes no writes", objectstore.ErrReadOnly)
	}
	name, err := s.name(ctx, at)
	if err != nil {
		return err
	}
	text, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	if len(text) > maxMeta {
		return fmt.Errorf("directory: the metadata has %d bytes, and at most %d are allowed", len(text), maxMeta)
	}
	temp := nuid.Next()
	if err := s.writeAside(temp, body, text); err != nil {
		_ = s.root.Remove(path.Join(tempDir, temp)) // the file may be absent
		return refused(err)
	}
	if err := s.moveInto(temp, name); err != nil {
		_ = s.root.Remove(path.Join(tempDir, temp))
		return refused(err)
	}
	if s.index != nil {
		s.index.stored(name, len(body)+len(text)+trailerLen)
	}
	return nil
}

// refused marks errors of a folder that is full or read-only, and returns any other error unchanged.
func refused(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", objectstore.ErrFull, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", objectstore.ErrReadOnly, err)
	}
	return err
}

// writeAside writes a temporary file. It makes the folder of temporary files again if it is missing.
func (s *Store) writeAside(temp string, body, meta []byte) error {
	end := binary.BigEndian.AppendUint32(nil, uint32(len(meta))) //nolint:gosec // bounded by maxMeta
	for again := true; ; again = false {
		err := s.beneath.writeNew(path.Join(tempDir, temp), [][]byte{body, meta, append(end, magic...)}, s.sync)
		if !again || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := s.root.MkdirAll(tempDir, 0o755); err != nil {
			return err
		}
	}
}

// moveInto makes the folder and tries again when the folder is missing. An eviction may remove it
// once more before the rename.
func (s *Store) moveInto(temp, name string) (err error) {
	for range 3 {
		err = s.beneath.moveTo(path.Join(tempDir, temp), name)
		if errors.Is(err, errNoCall) {
			return s.moveByFolders(temp, name)
		}
		if !errors.Is(err, objectstore.ErrNotFound) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := s.makeFolder(path.Dir(name)); err != nil {
			return err
		}
	}
	return err
}

// makeFolder makes a folder and the missing ones above it. Mostly the last one alone is missing: the folder of a new original.
func (s *Store) makeFolder(name string) error {
	if s.beneath.makeFolder(name) == nil {
		return nil
	}
	return s.root.MkdirAll(name, 0o755)
}

// moveByFolders does the work of moveInto if the kernel lacks openat2.
func (s *Store) moveByFolders(temp, name string) error {
	if err := s.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	return s.root.Rename(path.Join(tempDir, temp), name)
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, at thumbnail.Location) error {
	if s.plain {
		return fmt.Errorf("%w: this store of originals takes no deletions", objectstore.ErrReadOnly)
	}
	name, err := s.name(ctx, at)
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.index != nil {
		s.index.forget(name)
	}
	return refused(remove(s.root, name))
}

// remove removes a file and the folders that it leaves empty.
func remove(root *os.Root, name string) error {
	if err := root.Remove(name); err != nil && !errors.Is(notFound(err), objectstore.ErrNotFound) {
		return err
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if root.Remove(dir) != nil {
			break // not empty
		}
	}
	return nil
}
