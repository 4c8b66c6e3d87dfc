package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/metrics"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/complaint"
	"github.com/thumbmill/thumbmill/renderer/internal/sandbox"
	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/renderer/internal/vips"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/footprint"
	"github.com/thumbmill/thumbmill/shared/objectstore"
)

// Main runs a worker: it confines itself, then does one task after the other until the parent closes the socket. It
// returns the exit code.
func Main() int {
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	return 0
}

// craft does the tasks of one kind of worker.
type craft interface {
	// prepare loads and looks up everything that needs files, before the sandbox hides them.
	prepare() (Ready, error)
	profile() sandbox.Profile
	perform(t Task, original, out *os.File) (Report, error)
}

func work() error {
	unix.CloseOnExec(socketFD) // a tool must not speak for its worker
	crafts := map[Kind]craft{Vips: drawing{}, Tools: &tooling{}}
	c, ok := crafts[Kind(os.Getenv(envKind))]
	if !ok {
		return fmt.Errorf("%s is %q: allowed are %q and %q", envKind, os.Getenv(envKind), Vips, Tools)
	}
	ready, err := confine(c)
	if err != nil {
		return err
	}
	if err := sendReport(Report{Ready: &ready}); err != nil {
		return err
	}
	text := make([]byte, maxMessage)
	for {
		task, files, err := receiveTask(text)
		if err != nil {
			return err
		}
		if files == nil {
			return nil // the parent closed the socket
		}
		err = answer(c, task, files)
		closeAll(files)
		if err != nil {
			return err
		}
	}
}

// answer does a task and sends its report.
func answer(c craft, task Task, files []*os.File) error {
	if len(task.Specs) > 0 {
		return performSeveral(task, files)
	}
	return sendReport(perform(c, task, files[0], files[1]))
}

// confine prepares the craft, then enters the sandbox: after that the worker cannot read the disk.
func confine(c craft) (Ready, error) {
	memory, err := strconv.ParseUint(os.Getenv(envMemory), 10, 64)
	if err != nil {
		return Ready{}, fmt.Errorf("%s: %w", envMemory, err)
	}
	ready, err := c.prepare()
	if err != nil {
		return ready, err
	}
	started := footprint.Read()
	p := c.profile()
	p.Memory, p.File, p.Descriptors = memory, maxFile, maxDescriptors
	ready.Layers, err = sandbox.Enter(p)
	started.GiveBack()
	return ready, err
}

// first reports whether this is the first worker of its pool.
func first() bool { return os.Getenv(envFirst) != "" }

func perform(c craft, task Task, original, out *os.File) Report {
	before := cpuTime()
	own := cpuTimeOf(unix.RUSAGE_SELF) // a tool's processor time starts at 0
	if err := limitCPU(own + time.Duration(task.CPUSeconds)*time.Second); err != nil {
		return Report{Fault: fault.Wrap(err, fault.Internal, "cannot set the worker's limit of processor time")}
	}
	report, err := c.perform(task, original, out)
	report.CPU = cpuTime() - before
	report.Spent = report.Spent || spent()
	report.blame(err)
	return report
}

// maxGoSpace bounds the address space that Go may keep in a worker. Go returns memory to the kernel, but keeps the
// addresses, and the worker's limit counts addresses.
const maxGoSpace = 256 << 20

// spent reports whether Go keeps more. It reads metrics, because runtime.ReadMemStats stops all goroutines.
func spent() bool {
	parts := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(parts)
	var kept uint64
	for _, part := range parts {
		kept += part.Value.Uint64()
	}
	return kept > maxGoSpace
}

// drawing is the craft of a libvips worker.
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
	drawn, err := vips.Render(t.Spec, t.Header, t.MaxPixels, t.Effort, original, out, overlays)
	return reportOf(drawn), err
}

func reportOf(drawn vips.Result) Report {
	sides := objectstore.Sides{float64(drawn.Source.Width), float64(drawn.Source.Height)}
	return Report{Format: drawn.Format, Width: drawn.Width, Height: drawn.Height, Sides: sides, Packs: drawn.Packs}
}

// tooling is the craft of a tool worker.
type tooling struct{ box tools.Box }

func (t *tooling) prepare() (Ready, error) {
	// Orphans of a tool become children of this process; perform looks for them.
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
		Within:  time.Duration(task.CPUSeconds) * time.Second,
		Careful: task.Careful,
		Sides:   &report.Sides,
		Spent:   &report.Spent,
	})
	if _, waited := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(waited, unix.ECHILD) {
		fmt.Fprintln(os.Stderr, "worker: end, because a tool left processes behind")
		os.Exit(1) // the worker's process group ends with it
	}
	return report, err
}

// cause returns a decoder's last error in brackets, without details of the host, or "".
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

// cpuTime returns the processor time so far of this process and its ended children.
func cpuTime() time.Duration {
	return cpuTimeOf(unix.RUSAGE_SELF) + cpuTimeOf(unix.RUSAGE_CHILDREN)
}

func cpuTimeOf(who int) time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(who, &u) // fails only for bad arguments
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// limitCPU tells the kernel to kill this process, or each of its tools, with SIGXCPU after the given total of
// processor time.
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

// receiveTask returns the next task and its files: the original, the thumbnails, the overlays. It returns no files
// after the parent closed the socket. text has room for the message.
func receiveTask(text []byte) (task Task, files []*os.File, err error) {
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
		files = append(files, os.NewFile(uintptr(fd), "task"))
	}
	if err := json.Unmarshal(text[:n], &task); err != nil {
		return task, nil, err
	}
	if made := max(1, len(task.Specs)); len(files) != 1+made+len(task.Overlays) {
		return task, nil, fmt.Errorf("a task with %d thumbnails and %d overlays has %d descriptors, want one for each and one for the original", made, len(task.Overlays), len(files))
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
	return nil, errors.New("a task has no descriptors")
}
