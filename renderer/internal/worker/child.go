package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/vips"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// Main is a worker's life: limits first, then one task after the other until
// the parent closes the socket. It returns the exit code.
func Main() int {
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	return 0
}

func work() error {
	if err := confine(); err != nil {
		return err
	}
	if err := vips.Init(); err != nil {
		return err
	}
	if err := send(Report{Version: vips.Version()}); err != nil {
		return err
	}
	for {
		task, original, out, err := receive()
		if err != nil {
			return err
		}
		if original == nil {
			return nil // the parent has gone
		}
		report := perform(task, original, out)
		_ = original.Close()
		_ = out.Close()
		if err := send(report); err != nil {
			return err
		}
	}
}

// confine sets the limits that hold for the worker's whole life. Processor time
// is limited anew for each task.
func confine() error {
	memory, err := strconv.ParseUint(os.Getenv(envMemory), 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %w", envMemory, err)
	}
	limits := []struct {
		resource int
		value    uint64
	}{
		{unix.RLIMIT_AS, memory},
		{unix.RLIMIT_FSIZE, maxFile},
		{unix.RLIMIT_NOFILE, maxDescriptors},
		{unix.RLIMIT_CORE, 0},
	}
	for _, l := range limits {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("limit %d: %w", l.resource, err)
		}
	}
	// A lack of memory shall take a worker and not the renderer.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

func perform(task Task, original, out *os.File) Report {
	before := cpuTime()
	if err := limitCPU(before + time.Duration(task.CPUSeconds)*time.Second); err != nil {
		return Report{Fault: fault.Wrap(err, fault.Internal, "a worker could not limit itself")}
	}
	drawn, err := vips.Render(task.Spec, task.Header, task.MaxPixels, original, out)
	report := Report{
		Format: drawn.Format, Width: drawn.Width, Height: drawn.Height, Engine: "vips",
		CPU: cpuTime() - before,
	}
	if err != nil {
		f := fault.Of(err)
		f.Message += cause(f)
		report.Fault = f
	}
	return report
}

// cause shows a decoder's reason; it names parts of the original, not of the host.
func cause(f *fault.Fault) string {
	if err := errors.Unwrap(f); err != nil {
		text := err.Error()
		return " (" + text[:min(len(text), 300)] + ")"
	}
	return ""
}

// cpuTime is the processor time that this process has used so far.
func cpuTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // fails for bad arguments alone
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// limitCPU lets the kernel kill this process (SIGXCPU) once it has used that
// much processor time in all.
func limitCPU(until time.Duration) error {
	return unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: uint64(until.Seconds()) + 1, Max: unix.RLIM_INFINITY})
}

func send(r Report) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return unix.Sendto(socketFD, text, unix.MSG_NOSIGNAL, nil)
}

// receive gives the next task; no files mean that the parent closed the socket.
func receive() (task Task, original, out *os.File, err error) {
	text := make([]byte, maxMessage)
	control := make([]byte, unix.CmsgSpace(2*4))
	var n, controlLen int
	for {
		n, controlLen, _, _, err = unix.Recvmsg(socketFD, text, control, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil || n == 0 {
		return task, nil, nil, err
	}
	fds, err := descriptors(control[:controlLen])
	if err != nil {
		return task, nil, nil, err
	}
	original, out = os.NewFile(uintptr(fds[0]), "original"), os.NewFile(uintptr(fds[1]), "thumbnail")
	return task, original, out, json.Unmarshal(text[:n], &task)
}

func descriptors(control []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if fds, err := unix.ParseUnixRights(&m); err == nil && len(fds) == 2 {
			return fds, nil
		}
	}
	return nil, errors.New("a task came without its two descriptors")
}
