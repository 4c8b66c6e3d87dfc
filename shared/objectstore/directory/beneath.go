package directory

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/shared/objectstore"
)

// beneath opens files below a folder with one system call each; os.Root takes several for each
// folder on the way. Both follow links that stay below the folder.
type beneath struct {
	folder *os.File
	fd     int
}

func openBeneath(root *os.Root, name string) (*beneath, error) {
	folder, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	return &beneath{folder, int(folder.Fd())}, nil
}

func (b *beneath) close() error { return b.folder.Close() }

// errNoCall means that the kernel, or a container's filter, refuses openat2, or that the call did
// not decide. The caller uses os.Root instead.
var errNoCall = errors.New("directory: openat2 does not answer")

// open opens an existing file or folder. It returns objectstore.ErrNotFound for any other name.
func (b *beneath) open(name string, flags uint64) (fd int, err error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err = unix.Openat2(b.fd, name, &how)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EAGAIN):
			return -1, errNoCall
		case errors.Is(err, unix.EXDEV): // the name leads out of the root
			return -1, objectstore.ErrNotFound
		case err != nil:
			return -1, notFound(err)
		}
		return fd, nil
	}
}

// readable has the flags for reading a file. With them, a FIFO does not block the caller.
const readable = unix.O_RDONLY | unix.O_NONBLOCK

// regular opens a regular file.
func (b *beneath) regular(name string) (fd int, stat unix.Stat_t, err error) {
	if fd, err = b.open(name, readable); err != nil {
		return -1, stat, err
	}
	if err = unix.Fstat(fd, &stat); err == nil && stat.Mode&unix.S_IFMT != unix.S_IFREG {
		err = objectstore.ErrNotFound
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, stat, err
	}
	return fd, stat, nil
}

// blocking returns a file for the descriptor of a regular file, which never blocks for long. It
// clears O_NONBLOCK, because Go would register such a file with its poller in vain.
func blocking(fd int, name string) *os.File {
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFL, 0)
	return os.NewFile(uintptr(fd), name)
}

// writeNew makes a file of several parts. Its name leads through no links. With sync, the content is on the disk
// when writeNew returns: a rename may otherwise reach the disk before the content.
func (b *beneath) writeNew(name string, parts [][]byte, sync bool) (err error) {
	fd := -1
	err = again(func() (err error) {
		fd, err = unix.Openat(b.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
		return err
	})
	if err != nil {
		return &fs.PathError{Op: "openat", Path: name, Err: err}
	}
	err = writeAll(fd, parts)
	if err == nil && sync {
		err = again(func() error { return unix.Fdatasync(fd) })
	}
	return errors.Join(err, unix.Close(fd))
}

// again calls a system call until no signal interrupts it.
func again(call func() error) (err error) {
	for err = call(); errors.Is(err, unix.EINTR); {
		err = call()
	}
	return err
}

func writeAll(fd int, parts [][]byte) error {
	for len(parts) > 0 {
		n, err := unix.Writev(fd, parts)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for n = max(n, 0); len(parts) > 0 && n >= len(parts[0]); parts = parts[1:] {
			n -= len(parts[0])
		}
		if n > 0 {
			parts[0] = parts[0][n:]
		}
	}
	return nil
}

// moveTo renames a file that writeNew made.
func (b *beneath) moveTo(temp, name string) error {
	folder, err := b.open(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	return errors.Join(unix.Renameat(b.fd, temp, folder, path.Base(name)), unix.Close(folder))
}

// makeFolder makes a folder in one that exists. A folder that is there already is no error.
func (b *beneath) makeFolder(name string) error {
	in, err := b.open(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	err = unix.Mkdirat(in, path.Base(name), 0o755)
	if errors.Is(err, unix.EEXIST) {
		err = nil
	}
	return errors.Join(err, unix.Close(in))
}
