package tools

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/complaint"
	"github.com/thumbmill/thumbmill/renderer/internal/sandbox"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// task is the run of one request.
type task struct {
	request Request
	box     Box
	// complaint has the error output of the last program, at most maxText bytes.
	complaint bytes.Buffer
}

// named is the original's path, for programs that do not read from a descriptor.
const named = "../" + incoming + "/" + original

// rewind sets the original's offset to its start.
func (t *task) rewind() error {
	_, err := t.request.Original.Seek(0, io.SeekStart)
	return err
}

// spent notes that this process should do no more work, if so is true.
func (t *task) spent(so bool) {
	if so && t.request.Spent != nil {
		*t.request.Spent = true
	}
}

// textOf runs a program that describes the original, and returns its output, at most maxText bytes.
func (t *task) textOf(program string, args ...string) (string, error) {
	var text bytes.Buffer
	err := t.runProgram(call{program: program, args: args, out: &limited{to: &text, left: maxText}})
	return text.String(), err
}

const maxText = 64 << 10

// draw runs a program that writes the picture to its standard output.
func (t *task) draw(program string, args ...string) error {
	return t.runProgram(call{program: program, args: args, out: t.request.Out})
}

// call is one run of a program.
type call struct {
	program string
	args    []string
	in      io.Reader // nil means no input; the program itself reads a file
	out     io.Writer
	env     []string
	within  time.Duration // wall-clock time until runProgram kills the program; 0 means only the task's own limit
}

// runProgram runs the program and waits for its end. The program gets nothing of the renderer's environment.
func (t *task) runProgram(c call) error {
	cmd := exec.Command(t.box.paths[c.program], c.args...) //nolint:gosec // programs of the table, arguments of numbers and fixed names
	cmd.Env = append([]string{
		"PATH=/usr/bin:/bin", "HOME=.", "TMPDIR=.", "LC_ALL=C.UTF-8",
		"FONTCONFIG_PATH=" + fontPath, "MAGICK_THREAD_LIMIT=1", "OMP_NUM_THREADS=1", "MALLOC_ARENA_MAX=2",
	}, c.env...)
	if c.in != nil {
		cmd.Stdin = c.in
	}
	t.complaint.Reset()
	cmd.Stdout, cmd.Stderr = c.out, &limited{to: &t.complaint, left: maxText}
	late, err := sandbox.Run(cmd, c.within)
	if late {
		return fault.New(fault.Overran, "the render exceeded its time limit")
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return t.ended(exit, t.complaint.String())
	}
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot start a program of the renderer")
	}
	return nil
}

// ended returns the fault for a program that failed, with a reason from its error output.
func (t *task) ended(exit *exec.ExitError, said string) error {
	reason := complaint.Reason(said)
	status, _ := exit.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGXCPU:
		return fault.New(fault.Overran, "the render exceeded its limit of processor time")
	case status.Signaled() && status.Signal() == syscall.SIGXFSZ:
		return fault.New(fault.TooLarge, "a file for this original exceeds the size limit of a worker")
	case status.Signaled() && status.Signal() == syscall.SIGKILL: // most likely the kernel killed the program for lack of memory
		os.Exit(1) // the renderer sees a dead worker and tries again
	case t.outOfMemory(said):
		return fault.New(fault.TooLarge, "this thumbnail needs more memory than a worker may use")
	case complaint.Lacks(said):
		return fault.Wrap(reason, fault.Unsupported, "this renderer's libraries cannot read this kind of original")
	case status.Signaled():
		return fault.Wrap(reason, fault.Undecodable, "the decoder crashed on the original")
	}
	return fault.Wrap(reason, fault.Undecodable, "the original could not be decoded")
}

// largeArea is the number of pixels from which a failed allocation of ImageMagick means a lack of memory. For
// smaller originals, it means that ImageMagick does not understand the file.
const largeArea = 10_000_000

func (t *task) outOfMemory(said string) bool {
	words := []string{"out of memory", "bad_alloc", "cannot allocate", "failed to allocate", "cache resources exhausted"}
	if t.request.Header.Area() >= largeArea {
		words = append(words, "memory allocation failed")
	}
	said = strings.ToLower(said)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(said, w) })
}

// limited writes at most left bytes to its buffer and drops the others.
type limited struct {
	to   io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	part := b[:min(len(b), l.left)]
	l.left -= len(part)
	if _, err := l.to.Write(part); err != nil {
		return 0, err
	}
	return len(b), nil
}
