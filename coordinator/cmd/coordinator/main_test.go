package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/readyz"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
)

// home gives the command an empty home for this test.
func home(t *testing.T) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
}

func run(args ...string) error {
	cmd := command().Command(io.Discard, io.Discard)
	cmd.SetArgs(args)
	return cmd.Execute()
}

func TestABadAddressEndsTheCoordinator(t *testing.T) {
	home(t)
	err := run("--listen", "256.0.0.1:1", "--admin-listen", "127.0.0.1:0")
	if err == nil || !strings.Contains(err.Error(), "coordinator.listen") {
		t.Error(err)
	}
}

func TestMistakesAreAnsweredWithWhatIsAllowed(t *testing.T) {
	for line, says := range map[string]string{
		"serve": `coordinator has no command "serve"; it has debug, ready, version`,
		"--xml": "flags of coordinator: --admin-listen, --config,",
	} {
		if err := run(line); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// The coordinator is ready as soon as it answers, and not before. Its certificate is a pipe: the
// coordinator waits for the pipe until the test has seen that it is not ready.
func TestReadyFromTheFirstConnectionOn(t *testing.T) {
	home(t)
	files := wire.Certificate(t, t.TempDir(), "coordinator.example")
	certificate, err := os.ReadFile(files.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(t.TempDir(), "certificate")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("THUMBMILL_COORDINATOR_TLS_CERTIFICATE", pipe)
	t.Setenv("THUMBMILL_COORDINATOR_TLS_KEY", files.Key)
	address, admin := servers.FreeAddress(t), servers.FreeAddress(t)
	ended := make(chan error, 1)
	go func() { ended <- run("--listen", address, "--admin-listen", admin) }()
	waits := true
	readyz.Watch(t, "http://"+admin, ended, func(reasons string) {
		if reasons != "coordinator: starting\n" {
			t.Errorf("at the start the reasons are %q", reasons)
		}
		if waits {
			waits = false
			give(t, pipe, files.Certificate, certificate)
		}
	})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("the coordinator is ready, and does not answer: %v", err)
	}
	if _, err := io.WriteString(conn, "STATS UPTIME\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	_ = conn.Close()
	if err != nil || !strings.HasPrefix(line, "uptime: ") {
		t.Errorf("%q %v", line, err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the coordinator ended with %v", err)
	}
}

// give writes the content that a pipe's reader waits for, and replaces the pipe by a file for later
// reads.
func give(t *testing.T, pipe, file string, content []byte) {
	t.Helper()
	out, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file, pipe); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
