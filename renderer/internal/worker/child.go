package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/complaint"
	"github.com/thumbmill/thumbmill/renderer/internal/sandbox"
	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/renderer/internal/vips"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
)

// Main is a worker's life: it confines itself, then does one task after the
// other until the parent closes the socket. It returns the exit code.
func Main() int {
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	return 0
}

// craft is what a kind of worker can do.
type craft interface {
	// prepare does what must be done before the files are out of sight.
	prepare() (Ready, error)
	profile() sandbox.Profile
	perform(t Task, original, out *os.File) (Report, error)
}

func work() error {
	unix.CloseOnExec(socketFD) // a tool must not speak for its worker
	crafts := map[Kind]craft{Vips: drawing{}, Tools: &tooling{}}
	c, ok := crafts[Kind(os.Getenv(envKind))]
	if !ok {
		return fmt.Errorf("%s: no such kind of worker", envKind)
	}
	ready, err := confine(c)
	if err != nil {
		return err
	}
	if err := sendReport(Report{Ready: &ready}); err != nil {
		return err
	}
	for {
		task, files, err := receiveTask()
		if err != nil {
			return err
		}
		if files == nil {
			return nil // the parent has gone
		}
		err = answer(c, task, files)
		closeAll(files)
		if err != nil {
			return err
		}
	}
}

// answer does a task and reports it.
func answer(c craft, task Task, files []*os.File) error {
	if len(task.Specs) > 0 {
		return performSeveral(task, files)
	}
	return sendReport(perform(c, task, files[0], files[1]))
}

// confine loads what is needed from disk first: afterwards there is no disk.
func confine(c craft) (Ready, error) {
	memory, err := strconv.ParseUint(os.Getenv(envMemory), 10, 64)
	if err != nil {
		return Ready{}, fmt.Errorf("%s: %w", envMemory, err)
	}
	ready, err := c.prepare()
	if err != nil {
		return ready, err
	}
	p := c.profile()
	p.Memory, p.File, p.Descriptors = memory, maxFile, maxDescriptors
	ready.Layers, err = sandbox.Enter(p)
	return ready, err
}

// first reports whether this is the first worker of its pool.
func first() bool { return os.Getenv(envFirst) != "" }

func perform(c craft, task Task, original, out *os.File) Report {
	before := cpuTime()
	own := cpuTimeOf(unix.RUSAGE_SELF) // a tool's begins at nothing
	if err := limitCPU(own + time.Duration(task.CPUSeconds)*time.Second); err != nil {
		return Report{Fault: fault.Wrap(err, fault.Internal, "a worker could not limit itself")}
	}
	report, err := c.perform(task, original, out)
	report.CPU = cpuTime() - before
	report.Spent = report.Spent || spent()
	report.blame(err)
	return report
}

// roomy is the address space that Go may keep in a worker. It gives memory back to the
// kernel, but no addresses, and those are what the worker's limit counts.
const roomy = 256 << 20

func spent() bool {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapSys > roomy
}

// drawing is the craft of a worker with libvips.
type drawing struct{}

func (drawing) prepare() (Ready, error) {
	if err := vips.Init(); err != nil {
		return Ready{}, err
	}
	ready := Ready{Version: vips.Version(), Types: vips.Types()}
	if first() {
		ready.Versions = vips.Versions()
	}
	return ready, nil
}

func (drawing) profile() sandbox.Profile { return sandbox.Profile{} }

func (drawing) perform(t Task, original, out *os.File) (Report, error) {
	var overlays []vips.Overlay
	for _, o := range t.Overlays {
		overlays = append(overlays, vips.Overlay(o))
	}
	drawn, err := vips.Render(t.Spec, t.Header, t.MaxPixels, original, out, overlays)
	return reportOf(drawn), err
}

func reportOf(drawn vips.Result) Report {
	sides := objectstore.Sides{float64(drawn.Source.Width), float64(drawn.Source.Height)}
	return Report{Format: drawn.Format, Width: drawn.Width, Height: drawn.Height, Sides: sides, Packs: drawn.Packs}
}

// tooling is the craft of a worker with tools.
type tooling struct{ box tools.Box }

func (t *tooling) prepare() (Ready, error) {
	// What a tool leaves behind becomes a child of this process, which looks for it.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return Ready{}, err
	}
	if err := unix.Fchdir(folderFD); err != nil {
		return Ready{}, err
	}
	if err := unix.Close(folderFD); err != nil {
		return Ready{}, err
	}
	vips.DefaultSignals()
	if err := tools.Environ(); err != nil {
		return Ready{}, err
	}
	t.box = tools.Open()
	ready := Ready{Types: t.box.Types()}
	if first() {
		ready.Versions = t.box.Versions()
	}
	return ready, nil
}

func (t *tooling) profile() sandbox.Profile {
	return sandbox.Profile{
		Children: true, Execute: t.box.Executables(), Read: tools.Visible(), Write: []string{tools.Writable},
	}
}

func (t *tooling) perform(task Task, original, out *os.File) (Report, error) {
	var report Report
	err := t.box.Run(tools.Request{
		Work: task.Work, Spec: task.Spec, Header: task.Header, MaxPixels: task.MaxPixels, Original: original, Out: out,
		Within: time.Duration(task.CPUSeconds) * time.Second,
		Sides:  &report.Sides,
		Spent:  &report.Spent,
	})
	if _, waited := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(waited, unix.ECHILD) {
		fmt.Fprintln(os.Stderr, "worker: a tool left processes behind")
		os.Exit(1) // and they end with this worker's group
	}
	return report, err
}

// cause shows a decoder's last error, and nothing of the host.
func cause(f *fault.Fault) string {
	err := errors.Unwrap(f)
	if err == nil {
		return ""
	}
	if reason := complaint.Last(err.Error()); reason != "" {
		return " (" + reason + ")"
	}
	return ""
}

// cpuTime is the processor time that this process and its ended children have used so far.
func cpuTime() time.Duration {
	return cpuTimeOf(unix.RUSAGE_SELF) + cpuTimeOf(unix.RUSAGE_CHILDREN)
}

func cpuTimeOf(who int) time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(who, &u) // fails for bad arguments alone
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// limitCPU lets the kernel kill this process, or a tool of it, by SIGXCPU once
// it has used that much processor time in all.
func limitCPU(until time.Duration) error {
	return unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: uint64(until.Seconds()) + 1, Max: unix.RLIM_INFINITY})
}

func sendReport(r Report) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return unix.Sendto(socketFD, text, unix.MSG_NOSIGNAL, nil)
}

// receiveTask returns the next task and its files: the original, the thumbnail, overlays.
// No files mean that the parent closed the socket.
func receiveTask() (task Task, files []*os.File, err error) {
	text := make([]byte, maxMessage)
	control := make([]byte, unix.CmsgSpace(maxFiles*4))
	var n, controlLen int
	for {
		n, controlLen, _, _, err = unix.Recvmsg(socketFD, text, control, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil || n == 0 {
		return task, nil, err
	}
	fds, err := descriptors(control[:controlLen])
	if err != nil {
		return task, nil, err
	}
	for _, fd := range fds {
		files = append(files, os.NewFile(uintptr(fd), "of a task"))
	}
	if err := json.Unmarshal(text[:n], &task); err != nil {
		return task, nil, err
	}
	if made := max(1, len(task.Specs)); len(files) != 1+made+len(task.Overlays) {
		return task, nil, fmt.Errorf("a task of %d thumbnails with %d overlays came with %d descriptors", made, len(task.Overlays), len(files))
	}
	for i := range task.Overlays {
		task.Overlays[i].File = files[2+i]
	}
	return task, files, nil
}

func descriptors(control []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if fds, err := unix.ParseUnixRights(&m); err == nil && len(fds) >= 2 {
			return fds, nil
		}
	}
	return nil, errors.New("a task came without its descriptors")
}
