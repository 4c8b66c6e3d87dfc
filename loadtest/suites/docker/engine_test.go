package docker

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/namespace"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

const (
	root        = "../../.."
	startWithin = time.Minute
	stopWithin  = 2 * time.Minute // the engine stops its containers
)

// home returns the folder of the engine, where images stay for the next run. THUMBMILL_DOCKER_HOME names another one.
func home() string { return cmp.Or(os.Getenv("THUMBMILL_DOCKER_HOME"), "/var/tmp/thumbmill-docker") }

// engine is a Docker engine of this test.
type engine struct {
	t       *testing.T
	cmd     *exec.Cmd
	ended   <-chan struct{}
	log     bytes.Buffer
	compose []string // command of Compose 2
}

// startEngine starts an engine. A closed one has a network namespace of its own, so that its
// containers reach only each other, and its ports are free. An open one only builds images.
func startEngine(t *testing.T, closed bool) *engine {
	t.Helper()
	e := &engine{t: t, compose: composeCommand(t)}
	e.cmd = exec.Command("dockerd", "--data-root", home()+"/data", "--exec-root", home()+"/exec", "--pidfile", home()+"/pid", "--host", e.host(), "--log-level", "warn")
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // so that it stops its containers
	if closed {
		e.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	} else {
		e.cmd.Args = append(e.cmd.Args, "--bridge=none", "--iptables=false")
	}
	e.cmd.Stdout, e.cmd.Stderr = &e.log, &e.log
	if err := os.MkdirAll(home(), 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	if e.ended, err = servers.Launch(e.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.stop)
	if !eventually.Succeeds(t, startWithin, "the engine answers", e.answers) {
		t.FailNow()
	}
	if closed {
		e.run("nsenter", "--net="+e.namespace(), "ip", "link", "set", "lo", "up")
	}
	return e
}

// composeCommand returns the command of Compose 2: the one that `make test-docker` builds, or
// the engine's plugin. Debian 12 has only version 1.
func composeCommand(t *testing.T) []string {
	t.Helper()
	built, err := filepath.Abs(root + "/bin/docker-compose")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(built); err == nil {
		return []string{built}
	}
	if exec.Command("docker", "compose", "version").Run() != nil {
		t.Skip("Compose 2 is not installed: run `make test-docker`")
	}
	return []string{"docker", "compose"}
}

func (e *engine) host() string { return "unix://" + home() + "/socket" }

func (e *engine) namespace() string { return fmt.Sprintf("/proc/%d/ns/net", e.cmd.Process.Pid) }

// answers returns nil if the engine answers, and fails the test if the engine has ended.
func (e *engine) answers() error {
	select {
	case <-e.ended:
		e.t.Fatalf("the engine ended: %v\n%s", e.cmd.ProcessState, e.log.String())
	default:
	}
	out, err := e.command("docker", "version").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return err
}

// stop stops the engine with its containers.
func (e *engine) stop() {
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.ended:
	case <-time.After(stopWithin):
		e.t.Errorf("the engine does not stop:\n%s", e.log.String())
		_ = e.cmd.Process.Kill()
	}
}

// dial connects from the engine's network namespace.
func (e *engine) dial(ctx context.Context, protocol, address string) (net.Conn, error) {
	return namespace.Dial(ctx, e.namespace(), protocol, address)
}

func (e *engine) command(words ...string) *exec.Cmd {
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.host())
	return cmd
}

// run runs a command to its end, and returns its output. A failure ends the test.
func (e *engine) run(words ...string) string {
	e.t.Helper()
	out, err := e.command(words...).CombinedOutput()
	if err != nil {
		e.t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (e *engine) docker(words ...string) string {
	e.t.Helper()
	return e.run(append([]string{"docker"}, words...)...)
}

// onFile returns a command of Compose with docker-compose.yml and more files of this folder.
func (e *engine) onFile(files []string, words ...string) []string {
	command := append(append([]string{}, e.compose...), "--file", "docker-compose.yml")
	for _, file := range files {
		command = append(command, "--file", "loadtest/suites/docker/"+file)
	}
	return append(command, words...)
}
