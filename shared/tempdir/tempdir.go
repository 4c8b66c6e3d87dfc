// Package tempdir creates temporary folders. Each new folder removes the folders of processes that
// have ended.
package tempdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Dir is a temporary folder of this process. A lock on the folder shows that the process lives. The
// process number is not enough: in a container each process may have the same number.
type Dir struct {
	Path string
	lock *os.File
}

// New creates a folder below parent ("" = the default folder of the system), and creates parent if
// it is missing. The name has the user's name, the process number and a random part. New removes
// the folders of the same user whose processes have ended.
func New(parent, user string) (*Dir, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	old, _ := filepath.Glob(filepath.Join(parent, user+"-*"))
	for _, path := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), user+"-"), "-")
		if n, err := strconv.Atoi(pid); err == nil && gone(n) {
			sweep(path)
		}
	}
	for {
		path, err := os.MkdirTemp(parent, fmt.Sprintf("%s-%d-", user, os.Getpid()))
		if err != nil {
			return nil, err
		}
		lock, err := hold(path)
		if err == nil {
			return &Dir{path, lock}, nil
		}
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(err, os.RemoveAll(path))
		} // another one swept it before it was locked
	}
}

// Remove removes the folder and its content.
func (d *Dir) Remove() error { return errors.Join(os.RemoveAll(d.Path), d.lock.Close()) }

// gone reports whether no other process has this number. The check protects the folder of a
// running earlier version, which has no lock.
func gone(pid int) bool {
	return pid == os.Getpid() || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// sweep removes a folder without a lock. The folder of another user of the machine stays.
func sweep(path string) {
	if lock, err := hold(path); err == nil {
		_ = os.RemoveAll(path)
		_ = lock.Close()
	}
}

// hold locks a folder until the file is closed, or its process ends.
func hold(path string) (*os.File, error) {
	lock, err := os.Open(path) //nolint:gosec // one that this package named
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if _, err := os.Stat(path); err != nil { // removed between the two
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}
