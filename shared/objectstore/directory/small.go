package directory

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/shared/cache"
	"github.com/thumbmill/thumbmill/shared/objectstore"
)

const (
	// smallest is the size up to which a file is read at once, with its metadata. Most thumbnails are
	// smaller, and a hit then costs four system calls.
	smallest = 256 << 10 // bytes
	// parsedBound bounds the files whose parsed metadata are kept, about a kilobyte each.
	parsedBound = 10_000
)

// identity identifies the content of a file. Thumbnails are renamed into their places, and their files
// never change.
type identity struct {
	inode      uint64
	size       int64
	mtim, ctim unix.Timespec
}

// small reads small thumbnails.
type small struct {
	root    *beneath
	parsed  cache.Cache[identity, parsed]
	buffers sync.Pool // of *[]byte
}

type parsed struct {
	meta objectstore.Meta
	size int64 // of the image
}

func newSmall(root *beneath) (*small, error) {
	cache, err := otter.New(&otter.Options[identity, parsed]{MaximumSize: parsedBound, Executor: cache.InCaller})
	if err != nil {
		return nil, err
	}
	return &small{root: root, parsed: cache, buffers: sync.Pool{New: func() any { return new([]byte) }}}, nil
}

func (s *small) close() { s.parsed.StopAllGoroutines() }

// errNotSmall means that the caller must read the file in another way.
var errNotSmall = errors.New("directory: the file is not small")

// open returns a small thumbnail, read completely.
func (s *small) open(name string) (objectstore.Object, objectstore.Info, error) {
	fd, stat, err := s.root.regular(name)
	if errors.Is(err, errNoCall) {
		err = errNotSmall
	}
	if err != nil {
		return nil, objectstore.Info{}, err
	}
	defer func() { _ = unix.Close(fd) }()
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
