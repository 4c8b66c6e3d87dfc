package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// envInside names the environment variable that makes this test's binary confine itself, make all
// attempts, and print the result. The value is a folder.
const envInside = "SANDBOX_TEST"

func TestMain(m *testing.M) {
	if folder := os.Getenv(envInside); folder != "" {
		inside(folder, os.Getenv("SANDBOX_CHILDREN") != "")
		return
	}
	os.Exit(m.Run())
}

// result has the error of each attempt; "" means success.
type result map[string]string

func inside(folder string, children bool) {
	p := Profile{Memory: 3 << 30, File: 1 << 20, Descriptors: 64}
	if children {
		p.Children, p.Read, p.Write = true, []string{filepath.Join(folder, "in"), "/usr/lib", "/lib", "/lib64"}, []string{filepath.Join(folder, "out")}
		p.Execute = []string{"/usr/bin/true", "/bin/true", "/usr/bin/sleep", "/bin/sleep", "/lib64/ld-linux-x86-64.so.2"}
	}
	memory, err := unix.MemfdCreate("memory", 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	layers, err := Enter(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	r := result{"layers": fmt.Sprint(layers)}
	for name, try := range attempts(folder, memory) {
		r[name] = ""
		if err := try(); err != nil {
			r[name] = err.Error()
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
}

func attempts(folder string, memory int) map[string]func() error {
	open := func(path string) func() error {
		return func() error {
			f, err := os.Open(path)
			if err == nil {
				err = f.Close()
			}
			return err
		}
	}
	write := func(path string) func() error { return func() error { return os.WriteFile(path, []byte("x"), 0o600) } }
	socket := func(family, kind int) func() error {
		return func() error { _, err := unix.Socket(family, kind, 0); return err }
	}
	run := func(path string) func() error { return func() error { return exec.Command(path).Run() } }
	return map[string]func() error{
		"read /etc/passwd":     open("/etc/passwd"),
		"read /proc/1/environ": open("/proc/1/environ"),
		"list /":               func() error { _, err := os.ReadDir("/"); return err },
		"read the original":    open(filepath.Join(folder, "in", "original")),
		"change the original":  write(filepath.Join(folder, "in", "original")),
		"write to its folder":  write(filepath.Join(folder, "out", "file")),
		"write elsewhere":      write(filepath.Join(folder, "elsewhere")),
		"link out of its folder": func() error {
			return os.Link(filepath.Join(folder, "in", "original"), filepath.Join(folder, "elsewhere"))
		},
		"a TCP socket":            socket(unix.AF_INET, unix.SOCK_STREAM),
		"an IPv6 socket":          socket(unix.AF_INET6, unix.SOCK_DGRAM),
		"a unix socket":           socket(unix.AF_UNIX, unix.SOCK_STREAM),
		"a netlink socket":        socket(unix.AF_NETLINK, unix.SOCK_RAW),
		"execute true":            run("/bin/true"),
		"execute a shell":         run("/bin/sh"),
		"execute its own file":    run(filepath.Join(folder, "out", "program")),
		"kill its own programs":   killPrograms,
		"a handle of its parent":  func() error { _, err := unix.PidfdOpen(os.Getppid(), 0); return err },
		"ptrace":                  func() error { return unix.PtraceAttach(os.Getppid()) },
		"read others' memory":     func() error { _, err := unix.ProcessVMReadv(os.Getppid(), nil, nil, 0); return err },
		"kill its parent":         func() error { return unix.Kill(os.Getppid(), 0) },
		"limit its parent":        func() error { return unix.Prlimit(os.Getppid(), unix.RLIMIT_CPU, &unix.Rlimit{Cur: 1, Max: 1}, nil) },
		"mount":                   func() error { return unix.Mount("none", folder, "tmpfs", 0, "") },
		"a namespace":             func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"a new session":           func() error { _, err := unix.Setsid(); return err },
		"io_uring":                func() error { _, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0); return errno(e) },
		"bpf":                     func() error { _, _, e := unix.Syscall(unix.SYS_BPF, 0, 0, 0); return errno(e) },
		"a file beyond its limit": func() error { return tooLarge(memory) },
		"make a memory file":      func() error { _, err := unix.MemfdCreate("another", 0); return err },
		"lock a file":             func() error { return lock(memory) },
		"type into a terminal":    func() error { return unix.IoctlSetInt(0, unix.TIOCSTI, 0) },
		"change its own mode":     func() error { return unix.Chmod(filepath.Join(folder, "out", "program"), 0o777) },
	}
}

// killPrograms starts programs that last longer than the test, and kills them. Other goroutines keep the scheduler from
// running it in one thread by chance.
func killPrograms() error {
	busy, stop := sync.WaitGroup{}, make(chan struct{})
	defer busy.Wait()
	defer close(stop)
	for range 4 {
		busy.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					runtime.Gosched()
				}
			}
		})
	}
	for range 20 {
		killed, err := Run(exec.Command("/bin/sleep", "2"), time.Millisecond)
		if exit := (*exec.ExitError)(nil); !killed || !errors.As(err, &exit) {
			return fmt.Errorf("killed: %t, %w", killed, err)
		}
	}
	return nil
}

func errno(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

// tooLarge writes beyond RLIMIT_FSIZE; the limit also holds for memory files.
func tooLarge(memory int) error {
	if _, err := unix.Seek(memory, 2<<20, 0); err != nil {
		return err
	}
	_, err := unix.Write(memory, []byte("x"))
	return err
}

// lock locks a memory file, like a worker that locks an original.
func lock(memory int) error {
	return unix.FcntlFlock(uintptr(memory), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
}

// confined makes the attempts in a confined child process, and returns their results.
func confined(t *testing.T, children bool) result {
	t.Helper()
	folder := t.TempDir()
	for _, dir := range []string{"in", "out"} {
		if err := os.Mkdir(filepath.Join(folder, dir), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(folder, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for path, mode := range map[string]fs.FileMode{"in/original": 0o666, "out/program": 0o777} {
		if err := os.WriteFile(filepath.Join(folder, path), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(folder, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{envInside + "=" + folder}
	if children {
		cmd.Env = append(cmd.Env, "SANDBOX_CHILDREN=1")
	}
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, complaint.String())
	}
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// A worker that draws can make no attempt with success. A worker of tools can only use the files and
// programs of its profile.
func TestAttemptsOfWorkers(t *testing.T) {
	for _, c := range []struct {
		name     string
		children bool
		can      []string
	}{
		{"a worker that draws", false, nil},
		{"a worker of tools", true, []string{"read the original", "write to its folder", "execute true", "kill its own programs"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := confined(t, c.children)
			for _, layer := range []Layer{NoNewPrivs, Rlimits, Landlock, Seccomp} {
				if !strings.Contains(r["layers"], string(layer)) {
					t.Skipf("this kernel lacks %s: %s", layer, r["layers"])
				}
			}
			delete(r, "layers")
			for attempt, failure := range r {
				if slices.Contains(c.can, attempt) != (failure == "") {
					t.Errorf("%s: error %q", attempt, failure)
				}
			}
		})
	}
}

func TestMissing(t *testing.T) {
	got := Missing([]Layer{Landlock, Seccomp}, []Layer{NoNewPrivs, Seccomp})
	if !slices.Equal(got, []Layer{Landlock}) || Missing(nil, nil) != nil {
		t.Errorf("%v", got)
	}
}
