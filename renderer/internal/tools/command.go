package tools

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/complaint"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// task is a request under way.
type task struct {
	request Request
	box     Box
	// complaint is what the last program wrote to its error output.
	complaint bytes.Buffer
}

// named is the original's path, for programs that do not read from a descriptor.
const named = "../" + incoming + "/" + original

// rewind makes the original ready to be read once more.
func (t *task) rewind() error {
	_, err := t.request.Original.Seek(0, io.SeekStart)
	return err
}

// spent notes that this process should do no more work, if so.
func (t *task) spent(so bool) {
	if so && t.request.Spent != nil {
		*t.request.Spent = true
	}
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
	in      io.Reader // nil is none; a file is read by the program itself
	out     io.Writer
	env     []string
	within  time.Duration // of the clock, after which it is killed; 0 is the task's own limit
}

// runProgram waits for the program. Nothing of the renderer's environment is passed on.
func (t *task) runProgram(c call) error {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if c.within > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.within)
	}
	defer cancel()
	cmd := exec.CommandContext(ctx, t.box.paths[c.program], c.args...) //nolint:gosec // programs of the table, arguments of numbers and fixed names
	cmd.Env = append([]string{
		"PATH=/usr/bin:/bin", "HOME=.", "TMPDIR=.", "LC_ALL=C.UTF-8",
		"FONTCONFIG_PATH=" + fontPath, "MAGICK_THREAD_LIMIT=1", "OMP_NUM_THREADS=1", "MALLOC_ARENA_MAX=2",
	}, c.env...)
	if c.in != nil {
		cmd.Stdin = c.in
	}
	t.complaint.Reset()
	cmd.Stdout, cmd.Stderr = c.out, &limited{to: &t.complaint, left: maxText}
	err := cmd.Run()
	if ctx.Err() != nil {
		return fault.New(fault.Overran, "the render took longer than it may")
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return t.ended(exit, t.complaint.String())
	}
	if err != nil {
		return fault.Wrap(err, fault.Internal, "a program of the renderer could not be started")
	}
	return nil
}

// ended tells what a program's end means for the original.
func (t *task) ended(exit *exec.ExitError, said string) error {
	reason := complaint.Reason(said)
	status, _ := exit.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGXCPU:
		return fault.New(fault.Overran, "the render took more processor time than it may")
	case status.Signaled() && status.Signal() == syscall.SIGXFSZ:
		return fault.New(fault.TooLarge, "the original takes more room than a worker may use")
	case status.Signaled() && status.Signal() == syscall.SIGKILL: // most likely for want of memory
		os.Exit(1) // which is a worker's death, and tried again
	case t.outOfMemory(said):
		return fault.New(fault.TooLarge, "this thumbnail takes more memory than a worker may use")
	case complaint.Lacks(said):
		return fault.Wrap(reason, fault.Unsupported, "this renderer lacks what such an original takes")
	case status.Signaled():
		return fault.Wrap(reason, fault.Undecodable, "the program that reads such originals failed at this one")
	}
	return fault.Wrap(reason, fault.Undecodable, "the original could not be decoded")
}

// largeArea is the number of pixels from which ImageMagick's failed allocation is one of
// memory. Below, it is how the program says that it does not understand a file.
const largeArea = 10_000_000

func (t *task) outOfMemory(said string) bool {
	words := []string{"out of memory", "bad_alloc", "cannot allocate", "failed to allocate", "cache resources exhausted"}
	if t.request.Header.Area() >= largeArea {
		words = append(words, "memory allocation failed")
	}
	said = strings.ToLower(said)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(said, w) })
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
