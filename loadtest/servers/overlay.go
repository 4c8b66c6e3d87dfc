package servers

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Overlay mounts a copy of this machine's file system, in which what is written is gone with
// the test, and gives its path. Of folders that are file systems of their own it has those
// that are named.
func Overlay(t testing.TB, shared ...string) (root string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a file system of its own is mounted by root alone")
	}
	base, err := os.MkdirTemp("/dev/shm", "thumbmill-overlay-")
	if err != nil {
		t.Skipf("there is no file system in memory: %v", err)
	}
	stuck := false
	t.Cleanup(func() {
		if !stuck { // else what is below is the machine's own
			_ = os.RemoveAll(base)
		}
	})
	for _, dir := range []string{"root", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	root = filepath.Join(base, "root")
	options := fmt.Sprintf("lowerdir=/,upperdir=%s/upper,workdir=%s/work", base, base)
	if err := syscall.Mount("overlay", root, "overlay", 0, options); err != nil {
		t.Skipf("no overlay of the file system can be mounted here: %v", err)
	}
	unmount := func(dir string) {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			stuck = true
			t.Error(err)
		}
	}
	t.Cleanup(func() { unmount(root) })
	for _, dir := range shared {
		if err := syscall.Mount(dir, root+dir, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unmount(root + dir) })
		// What is unmounted here stays mounted there, where init shares all mounts.
		if err := syscall.Mount("", root+dir, "", syscall.MS_SLAVE|syscall.MS_REC, ""); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
