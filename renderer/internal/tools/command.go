package tools

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// task is a request under way.
type task struct {
	request Request
	box     Box
}

// named is the original's path, for programs that do not read from a descriptor.
const named = "../" + incoming + "/" + original

// rewind makes the original ready to be read once more.
func (t *task) rewind() error {
	_, err := t.request.Original.Seek(0, io.SeekStart)
	return err
}

// textOf runs a program that tells of the original, and returns what it prints.
func (t *task) textOf(program string, args ...string) (string, error) {
	var text bytes.Buffer
	err := t.runProgram(call{program: program, args: args, out: &limited{to: &text, left: maxText}})
	return text.String(), err
}

const maxText = 64 << 10

// draw has a program write the picture to its standard output.
func (t *task) draw(program string, args ...string) error {
	return t.runProgram(call{program: program, args: args, out: t.request.Out})
}

// call is one run of a program.
type call struct {
	program string
	args    []string
	in      *os.File
	out     io.Writer
	env     []string
}

// runProgram waits for the program. Nothing of the renderer's environment is passed on.
func (t *task) runProgram(c call) error {
	var complaint bytes.Buffer
	cmd := exec.Command(t.box.paths[c.program], c.args...) //nolint:gosec // programs of the table, arguments of numbers and fixed names
	cmd.Env = append([]string{
		"PATH=/usr/bin:/bin", "HOME=.", "TMPDIR=.", "LC_ALL=C.UTF-8",
		"FONTCONFIG_PATH=../" + incoming + ":/etc/fonts", "MAGICK_THREAD_LIMIT=1", "OMP_NUM_THREADS=1", "MALLOC_ARENA_MAX=2",
	}, c.env...)
	if c.in != nil {
		cmd.Stdin = c.in
	}
	cmd.Stdout, cmd.Stderr = c.out, &limited{to: &complaint, left: maxText}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return ended(filepath.Base(t.box.paths[c.program]), exit, complaint.String())
	}
	if err != nil {
		return fault.Wrap(err, fault.Internal, "%s could not be started", c.program)
	}
	return nil
}

// ended tells what a program's end means for the original.
func ended(program string, exit *exec.ExitError, complaint string) error {
	reason := fmt.Errorf("%s: %s: %s", program, exit.ProcessState, firstLine(complaint))
	status, _ := exit.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGXCPU:
		return fault.Wrap(reason, fault.Overran, "the render took more processor time than it may")
	case status.Signaled() && status.Signal() == syscall.SIGXFSZ:
		return fault.Wrap(reason, fault.TooLarge, "the original takes more room than a worker may use")
	case status.Signaled() && status.Signal() == syscall.SIGKILL: // most likely for want of memory
		os.Exit(1) // which is a worker's death, and tried again
	case outOfMemory(complaint):
		return fault.Wrap(reason, fault.TooLarge, "this thumbnail takes more memory than a worker may use")
	}
	return fault.Wrap(reason, fault.Undecodable, "the original could not be decoded")
}

func outOfMemory(complaint string) bool {
	text := strings.ToLower(complaint)
	for _, words := range []string{"out of memory", "bad_alloc", "cannot allocate", "memory allocation failed", "failed to allocate"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line[:min(len(line), 200)]
}

// limited drops what is more than it may hold.
type limited struct {
	to   *bytes.Buffer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	part := b[:min(len(b), l.left)]
	l.left -= len(part)
	l.to.Write(part)
	return len(b), nil
}
