package tempdir

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestFoldersOfDeadProcessesAreRemoved(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "made")
	ours, err := New(parent, "user")
	if err != nil {
		t.Fatal(err)
	}
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	folder := func(name string, pid int) string {
		dir := filepath.Join(parent, fmt.Sprintf("%s-%d-1", name, pid))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dead, foreign, living := folder("user", ended.Process.Pid), folder("other", ended.Process.Pid), folder("user", os.Getppid())
	before := folder("user", os.Getpid()) // of an earlier life that had our number
	strange := filepath.Join(parent, "user-photos")
	if err := os.Mkdir(strange, 0o700); err != nil {
		t.Fatal(err)
	}
	next, err := New(parent, "user")
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{
		ours.Path: true, next.Path: true, dead: false, before: false, foreign: true, living: true, strange: true,
	} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: %v", filepath.Base(dir), err)
		}
	}
	for _, d := range []*Dir{ours, next} {
		if err := d.Remove(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(d.Path); err == nil {
			t.Errorf("%s is still there", d.Path)
		}
	}
}

// Many begin at once, and each has a folder of its own.
func TestManyAtOnce(t *testing.T) {
	parent := t.TempDir()
	all := make(chan *Dir, 50)
	for range cap(all) {
		go func() {
			d, err := New(parent, "user")
			if err != nil {
				t.Error(err)
				d = &Dir{}
			}
			all <- d
		}()
	}
	for range cap(all) {
		d := <-all
		if _, err := os.Stat(d.Path); err != nil {
			t.Error(err)
		}
		defer func() { _ = d.Remove() }()
	}
}
