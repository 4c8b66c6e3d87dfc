package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
)

// envEat makes this test's binary allocate 4 GiB of memory.
const envEat = "CGROUP_TEST_EAT"

func TestMain(m *testing.M) {
	if os.Getenv(envEat) != "" {
		_, _ = fmt.Scanln() // wait until the test added this process to its group
		var all [][]byte
		for range 4096 {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			all = append(all, b)
		}
		fmt.Println(len(all))
		return
	}
	os.Exit(m.Run())
}

// The kernel ends a process that exceeds its group's limit, and spares the parent process.
func TestTooMuchMemoryEndsOnlyTheProcess(t *testing.T) {
	p, err := Open("test")
	if err != nil {
		t.Skipf("this machine grants no control groups: %v", err)
	}
	g, err := p.New("eater", 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{envEat + "=1"}
	begin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		err = g.Add(cmd.Process.Pid)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := begin.Close(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the process ended by %v", err)
	}
	// The group stays busy until the kernel has cleared the process away.
	eventually.Succeeds(t, 5*time.Second, "the group can be removed", g.Remove)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// A renderer removes the groups of an earlier renderer that was killed.
func TestSweep(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	left, err := open(fmt.Sprintf("%s%d-left", prefix, ended.Process.Pid))
	if err != nil {
		t.Skipf("this machine grants no control groups: %v", err)
	}
	if _, err := left.New("vips-1", 1<<30); err != nil && !errors.Is(err, os.ErrNotExist) { // a renderer of another test swept the group
		t.Fatal(err)
	}
	ours, err := Open("ours")
	if err != nil {
		t.Fatal(err)
	}
	next, err := Open("next")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(ours.dir); err != nil {
		t.Errorf("the group of a living process is gone: %v", err)
	}
	if _, err := os.Stat(left.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the group of the dead process is still there: %v", err)
	}
	if err := errors.Join(ours.Close(), next.Close()); err != nil {
		t.Error(err)
	}
}

func TestMemberships(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cgroup")
	if err := os.WriteFile(file, []byte("9:name=systemd:/\n4:memory:/a/b\n0::/c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	own, err := memberships(file)
	if err != nil || own["memory"] != "/a/b" || own[""] != "/c" {
		t.Errorf("%v, %v", own, err)
	}
	if _, err := memberships(strings.Repeat("x", 300)); err == nil {
		t.Error("a missing file gives no error")
	}
}
