package faults

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
)

// process is a part of the site that a test can kill, hold and start again.
type process struct {
	t       *testing.T
	name    string
	command []string
	env     []string
	ready   string // URL that answers 200 when the part is ready; "" means no check
	log     string

	cmd   *exec.Cmd
	ended <-chan struct{}
}

const (
	startWithin = 2 * time.Minute  // on a busy machine
	stopWithin  = 90 * time.Second // a renderer finishes its renders
)

// start starts the process, and returns when it is ready.
func (p *process) start() {
	p.t.Helper()
	p.launch()
	p.await()
}

// launch starts the process without waiting.
func (p *process) launch() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.Command(p.command[0], p.command[1:]...)
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if p.ended, err = servers.Launch(p.cmd); err != nil {
		p.t.Fatal(err)
	}
}

// await returns when the process is ready. It ends the test if the process ends before.
func (p *process) await() {
	p.t.Helper()
	if !eventually.Succeeds(p.t, startWithin, p.name+" is ready or ends", func() error {
		if p.hasEnded() {
			return nil
		}
		return answers(p.ready)
	}) {
		p.t.FailNow()
	}
	if p.hasEnded() {
		p.t.Fatalf("%s ended before it was ready", p.name) // site.stop shows its log
	}
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// answers returns nil if a URL answers 200, or if the URL is "".
func answers(url string) error {
	if url == "" {
		return nil
	}
	client := http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// kill ends the process at once.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// stop asks the process to stop, and kills it after stopWithin.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
		p.t.Errorf("%s does not stop", p.name)
		p.kill()
	}
}

func (p *process) restart() { p.stop(); p.start() }

// hold suspends the process for some time.
func (p *process) hold(d time.Duration) {
	p.signal(syscall.SIGSTOP)
	visitors.Lasts(d)
	p.signal(syscall.SIGCONT)
}

// build compiles programs of another version of this module, or of this version with additional
// flags.
func build(t *testing.T, root, into string, commands []string, flags ...string) {
	t.Helper()
	if err := os.MkdirAll(into, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", slices.Concat([]string{"build", "-o", into + string(filepath.Separator)}, flags, commands)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// tail returns the end of the process's log, to explain a failure.
func (p *process) tail() string {
	text, _ := os.ReadFile(p.log)
	lines := slices.Collect(strings.Lines(string(text)))
	return fmt.Sprintf("%s said last:\n%s", p.name, strings.Join(lines[max(0, len(lines)-15):], ""))
}
