// Package tempdir makes temporary folders that do not outlive their process for
// long: whoever makes the next one removes those whose process has ended. The
// renderer and the embedded queue use it.
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

// Dir is a temporary folder of this process. A lock on it says that the process lives: its
// number alone does not where each life has the same one, as in a container.
type Dir struct {
	Path string
	lock *os.File
}

// New makes a folder below parent ("" = the system's, made if it is missing),
// named for its user, the process and at random, and removes the user's folders
// of processes that are gone.
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

// Remove removes the folder with all that is in it.
func (d *Dir) Remove() error { return errors.Join(os.RemoveAll(d.Path), d.lock.Close()) }

// gone reports whether no other process has that number now. An earlier version holds no lock
// on its folder, and may still be running.
func gone(pid int) bool {
	return pid == os.Getpid() || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// sweep removes a folder that nobody holds. One of another user of the machine stays.
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
