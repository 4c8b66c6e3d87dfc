package debug

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// home makes a user's folder of sockets, with the socket of this process.
func home(t *testing.T) (folder string, level *slog.LevelVar) {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	level = &slog.LevelVar{}
	s, err := New("renderer", level, func() any { return []string{"a job"} }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(t.Context()) })
	folder, err = Folder()
	if err != nil {
		t.Fatal(err)
	}
	return folder, level
}

func say(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "renderer", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Command("renderer"))
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"debug"}, args...))
	err := root.ExecuteContext(t.Context())
	return strings.TrimSpace(out.String()), err
}

// endedProcess returns the number of a process that has ended.
func endedProcess(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// abandoned makes a socket without a listener, as a killed process leaves it.
func abandoned(t *testing.T, path string) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOnlySocketsOfProcessesThatAnswerAreListed(t *testing.T) {
	folder, _ := home(t)
	mine := filepath.Join(folder, socketName("renderer", os.Getpid()))
	killed := filepath.Join(folder, socketName("edge", endedProcess(t)))
	abandoned(t, killed)
	begins := filepath.Join(folder, socketName("edge", os.Getpid())) // no process listens there yet
	abandoned(t, begins)
	stuck, err := net.Listen("unix", filepath.Join(folder, socketName("coordinator", os.Getpid()))) // accepts connections, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stuck.Close() }()
	if out, err := say(t); err != nil || out != mine {
		t.Errorf("%q %v, want only %q", out, err, mine)
	}
	for path, there := range map[string]bool{mine: true, killed: false, begins: true, stuck.Addr().String(): true} {
		if _, err := os.Lstat(path); (err == nil) != there {
			t.Errorf("%s: %v", path, err)
		}
	}
	if out, err := say(t, "jobs"); err != nil || out != `["a job"]` {
		t.Errorf("jobs of the only process: %q %v", out, err)
	}
}

func TestCommands(t *testing.T) {
	folder, level := home(t)
	for name, c := range map[string]struct{ line, says, fails string }{
		"jobs":           {"jobs", `["a job"]`, ""},
		"goroutines":     {"goroutines", "goroutine ", ""},
		"a level":        {"level warn", "WARN", ""},
		"a wrong level":  {"level loud", "", "a level is one of debug, info, warn, error"},
		"by its socket":  {"jobs --socket " + filepath.Join(folder, socketName("renderer", os.Getpid())), "a job", ""},
		"no such socket": {"jobs --socket /nowhere", "", "no such file"},
		"help":           {"level --help", "debug, info, warn, error", ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := say(t, strings.Fields(c.line)...)
			if !strings.Contains(out, c.says) || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%q %v", out, err)
			}
		})
	}
	if level.Level() != slog.LevelWarn {
		t.Errorf("the level is %v", level)
	}
}

func TestWithoutAProcess(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if out, err := say(t); err != nil || out != "no process of this user has a socket" {
		t.Errorf("%q %v", out, err)
	}
	if _, err := say(t, "jobs"); err == nil || !strings.Contains(err.Error(), "no process of this user has a socket") {
		t.Error(err)
	}
}
