package directory

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/shared/objectstore"
)

const (
	// smallest files are read at once, with their metadata: most thumbnails are such, and
	// a hit then costs four system calls.
	smallest = 256 << 10 // bytes
	// parsedBound is how many files' metadata are kept as they were read, about a kilobyte
	// each.
	parsedBound = 10_000
)

// identity is of a file's content: thumbnails are renamed into their places, and never
// written to.
type identity struct {
	inode      uint64
	size       int64
	mtim, ctim unix.Timespec
}

// small reads small thumbnails.
type small struct {
	folder  *os.File // the root
	fd      int      // of the folder
	parsed  *otter.Cache[identity, parsed]
	buffers sync.Pool // of *[]byte
}

type parsed struct {
	meta objectstore.Meta
	size int64 // of the image
}

func newSmall(root *os.Root) (*small, error) {
	folder, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	cache, err := otter.New(&otter.Options[identity, parsed]{MaximumSize: parsedBound, Executor: inCaller})
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	return &small{folder: folder, fd: int(folder.Fd()), parsed: cache, buffers: sync.Pool{New: func() any { return new([]byte) }}}, nil
}

func (s *small) close() error {
	s.parsed.StopAllGoroutines()
	return s.folder.Close()
}

// errNotSmall says that a file is to be read in another way.
var errNotSmall = errors.New("directory: not small")

// open gives a small thumbnail, whole.
func (s *small) open(name string) (objectstore.Object, objectstore.Info, error) {
	fd, err := s.openat2(name)
	if err != nil {
		return nil, objectstore.Info{}, err
	}
	defer func() { _ = unix.Close(fd) }()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, objectstore.Info{}, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, objectstore.Info{}, objectstore.ErrNotFound
	}
	if stat.Size > smallest {
		return nil, objectstore.Info{}, errNotSmall
	}
	buffer := s.buffers.Get().(*[]byte)
	if int64(cap(*buffer)) < stat.Size {
		*buffer = make([]byte, stat.Size, max(stat.Size, 32<<10))
	}
	content := (*buffer)[:stat.Size]
	release := func() { s.buffers.Put(buffer) }
	if err := fill(fd, content); err != nil {
		release()
		return nil, objectstore.Info{}, err
	}
	p, err := s.parse(identity{stat.Ino, stat.Size, stat.Mtim, stat.Ctim}, content)
	if err != nil {
		release()
		return nil, objectstore.Info{}, err
	}
	info := objectstore.Info{Size: p.size, Modified: time.Unix(stat.Mtim.Unix()), Version: p.meta.ETag, MD5: p.meta.ETag, Meta: p.meta}
	return objectstore.NewWhole(content[:p.size], release), info, nil
}

// openat2 opens below the root in one call; links that stay below it are followed, as
// os.Root does. Where the kernel, or a container's filter, has no such call, the file
// counts as not small.
func (s *small) openat2(name string) (fd int, err error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err = unix.Openat2(s.fd, name, &how)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EAGAIN):
			return -1, errNotSmall
		case errors.Is(err, unix.EXDEV): // it leads out of the root
			return -1, objectstore.ErrNotFound
		case err != nil:
			return -1, notFound(err)
		}
		return fd, nil
	}
}

func fill(fd int, content []byte) error {
	for done := 0; done < len(content); {
		n, err := syscall.Pread(fd, content[done:], int64(done))
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF
		default:
			done += n
		}
	}
	return nil
}

func (s *small) parse(id identity, content []byte) (p parsed, err error) {
	if known, ok := s.parsed.GetIfPresent(id); ok {
		return known, nil
	}
	p.meta, p.size, err = readMeta(bytes.NewReader(content), id.size)
	if err == nil {
		s.parsed.Set(id, p)
	}
	return p, err
}
