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
	dead := filepath.Join(parent, fmt.Sprintf("user-%d-1", ended.Process.Pid))
	foreign := filepath.Join(parent, fmt.Sprintf("other-%d-1", ended.Process.Pid))
	strange := filepath.Join(parent, "user-photos")
	for _, dir := range []string{dead, foreign, strange} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := New(parent, "user"); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{ours: true, dead: false, foreign: true, strange: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: %v", filepath.Base(dir), err)
		}
	}
}
