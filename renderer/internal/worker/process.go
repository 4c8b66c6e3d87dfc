package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/cgroup"
	"github.com/thumbmill/thumbmill/renderer/internal/sandbox"
	"github.com/thumbmill/thumbmill/renderer/internal/tools"
)

const (
	envMemory      = "THUMBMILL_WORKER_MEMORY" // RLIMIT_AS in bytes
	maxFile        = 1 << 30                   // bytes of one file that a worker writes, memory files included
	maxDescriptors = 64
	startWithin    = 20 * time.Second // on a very busy machine
	nobody         = 65534            // user and group of workers when the renderer is root
)

// glibc keeps freed memory up to its thresholds, and raises them when it frees large blocks: after one large picture, a
// worker would keep as much for ever. Fixed thresholds return blocks of 4 MB and more at once.
const (
	mmapFrom = "MALLOC_MMAP_THRESHOLD_=4194304"
	trimFrom = "MALLOC_TRIM_THRESHOLD_=8388608"
)

// errNotGiven says that the worker ended before it got its task.
var errNotGiven = errors.New("the worker did not get the task")

// process is one worker, as its parent sees it.
type process struct {
	heard  []byte // buffer for the worker's reports
	cmd    *exec.Cmd
	conn   *net.UnixConn
	ended  chan struct{} // closed when the process was reaped
	ready  Ready
	folder string // only of a tool worker
	group  *cgroup.Group
	tasks  int // number of tasks so far
	// priority is the usual one, without a task that yields.
	priority int
	low      bool          // it kept the priority of a task that yields
	spent    time.Duration // processor time of these tasks, as far as they ended
	// idleFrom is the end of its start or of its last task.
	idleFrom time.Time
	// overflowed means that watch killed the worker because its tool wrote too much.
	overflowed atomic.Bool
}

// start executes this binary as a worker. Only one locked goroutine calls it, because PDEATHSIG follows the thread
// that forked.
func start(c Config, number, priority int) (*process, error) {
	p := &process{ended: make(chan struct{}), priority: priority}
	if err := p.furnish(c, number); err != nil {
		return nil, errors.Join(err, p.clear())
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, errors.Join(err, p.clear())
	}
	p.conn, p.cmd = ours, p.command(c, number == 1)
	err = p.launch(theirs)
	_ = theirs.Close()
	if err != nil {
		return nil, errors.Join(err, ours.Close(), p.clear())
	}
	go p.reap() // ends with the process; kill waits for it
	if p.group != nil {
		if err := p.group.Add(p.cmd.Process.Pid); err != nil {
			p.kill()
			return nil, err
		}
	}
	return p, p.awaitReady()
}

// reap waits for the process, and kills the rest of its group before the kernel can reuse the process id.
func (p *process) reap() {
	defer close(p.ended)
	pid := p.cmd.Process.Pid
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_ = unix.Kill(-pid, unix.SIGKILL)
	_ = p.cmd.Wait()
}

// furnish makes the worker's control group and folder.
func (p *process) furnish(c Config, number int) (err error) {
	name := fmt.Sprintf("%s-%d", c.Kind, number)
	if c.Cgroups != nil {
		if p.group, err = c.Cgroups.New(name, c.Memory); err != nil {
			return err
		}
	}
	if c.Kind != Tools {
		return nil
	}
	p.folder = filepath.Join(c.TempDir, name)
	for _, dir := range []string{p.folder, tools.Incoming(p.folder), tools.Scratch(p.folder)} {
		if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // workers run as another user
			return err
		}
	}
	if err := tools.Furnish(p.folder); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		return os.Chown(tools.Scratch(p.folder), nobody, nobody)
	}
	return nil
}

// launch starts the process with its end of the socket and, for a tool worker, its folder.
func (p *process) launch(socket *os.File) error {
	p.cmd.ExtraFiles = []*os.File{socket}
	if p.folder != "" {
		folder, err := os.Open(tools.Scratch(p.folder))
		if err != nil {
			return err
		}
		defer func() { _ = folder.Close() }()
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, folder)
	}
	return p.cmd.Start()
}

func (p *process) command(c Config, first bool) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe") // this very binary, also after an upgrade on disk
	cmd.Args = []string{"thumbmill-worker"}
	cmd.Env = []string{
		envKind + "=" + string(c.Kind), fmt.Sprintf("%s=%d", envMemory, c.Memory),
		"VIPS_CONCURRENCY=1", "VIPS_BLOCK_UNTRUSTED=1", "MALLOC_ARENA_MAX=2", mmapFrom, trimFrom, "GOMAXPROCS=2", "LC_ALL=C.UTF-8",
		"PATH=/usr/bin:/bin:" + c.programs(),
	}
	if first {
		cmd.Env = append(cmd.Env, envFirst+"=1")
	}
	cmd.Dir = "/"
	cmd.Stderr = logWriter{c.Log}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if os.Geteuid() == 0 { // root would keep its rights over files and processes
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

func (p *process) awaitReady() error {
	r, err := p.readReport(startWithin)
	if err == nil && r.Ready == nil {
		err = errors.New("the first report lacks Ready")
	}
	if err != nil {
		p.kill()
		return fmt.Errorf("start a worker: %w", err)
	}
	p.ready = *r.Ready
	if p.group != nil {
		p.ready.Layers = append([]sandbox.Layer{sandbox.Cgroup}, p.ready.Layers...)
	}
	return nil
}

func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	ours := os.NewFile(uintptr(fds[0]), "worker")
	defer func() { _ = ours.Close() }()
	theirs := os.NewFile(uintptr(fds[1]), "worker")
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn.(*net.UnixConn), theirs, nil
}

// exchange gives the worker a task and waits for its report.
func (p *process) exchange(t Task, original, out *os.File, within time.Duration) (Report, error) {
	files := []*os.File{original, out}
	for _, o := range t.Overlays {
		files = append(files, o.File)
	}
	if err := p.give(t, files, within); err != nil {
		return Report{}, err
	}
	r, err := p.readReport(within)
	if errors.Is(err, syscall.ECONNRESET) { // the worker ended before it read the task
		err = fmt.Errorf("%w: %w", errNotGiven, err)
	}
	return r, err
}

// give sends the worker a task and its files.
func (p *process) give(t Task, files []*os.File, within time.Duration) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if len(text) > maxMessage {
		return fmt.Errorf("a task has %d bytes, at most %d are allowed", len(text), maxMessage)
	}
	if err := p.conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	p.tasks++
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	if _, _, err := p.conn.WriteMsgUnix(text, unix.UnixRights(fds...), nil); err != nil {
		return fmt.Errorf("%w: %w", errNotGiven, err)
	}
	return nil
}

func (p *process) readReport(within time.Duration) (r Report, err error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return r, err
	}
	if p.heard == nil {
		p.heard = make([]byte, maxMessage)
	}
	n, err := p.conn.Read(p.heard)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(p.heard[:n], &r)
}

// kill ends the process and all that it started, waits for its end, and removes its folder and group.
func (p *process) kill() {
	_ = p.conn.Close()
	p.signalGroup()
	<-p.ended
	_ = p.clear()
}

// signalGroup kills the process with its tools. After reap, another process may have the id, and the tools have ended
// too.
func (p *process) signalGroup() {
	select {
	case <-p.ended:
	default:
		_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
	}
}

// clear removes the worker's folder and group. It waits up to a second for killed tools that are still in the group.
func (p *process) clear() (err error) {
	if p.folder != "" {
		err = os.RemoveAll(p.folder)
	}
	if p.group == nil {
		return err
	}
	for range 100 {
		gone := p.group.Remove()
		if !errors.Is(gone, syscall.EBUSY) {
			return errors.Join(err, gone)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.Join(err, syscall.EBUSY)
}

// yielding is how much lower the priority of a task that yields is: in the kernel's scheduler it gets a third of the
// processor time of another task. With less, it would starve until its time limit.
const yielding = 5

// lowest is the lowest priority of a process.
const lowest = 19

// priority returns the priority of workers, by the one of the calling thread. An edge or a coordinator on the same
// processors takes microseconds for an answer, and would otherwise wait behind the slices of decoders.
func (c Config) priority() int {
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // the system call returns 20 less the priority
	if err != nil {
		return c.Nice
	}
	return min(20-raw+c.Nice, lowest)
}

// yield lowers the priority of the process with its tools and all their threads, if it must yield. The result restores the
// priority, which takes a right that a renderer may lack: the process is then low.
func (p *process) yield(must bool) (restore func()) {
	group, priority := p.cmd.Process.Pid, p.priority
	if !must || unix.Setpriority(unix.PRIO_PGRP, group, priority+yielding) != nil {
		return func() {}
	}
	return func() {
		select {
		case <-p.ended: // another process may have its id
		default:
			p.low = unix.Setpriority(unix.PRIO_PGRP, group, priority) != nil
		}
	}
}

// lastCPU returns the processor time of the task under which the process ended, with the process's start. It
// includes the tools that the process had waited for. The process must have ended.
func (p *process) lastCPU() time.Duration {
	<-p.ended
	s := p.cmd.ProcessState
	if s == nil {
		return 0
	}
	return max(0, s.UserTime()+s.SystemTime()-p.spent)
}

// signal returns the signal that ended the process, or 0.
func (p *process) signal() syscall.Signal {
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	return 0
}
