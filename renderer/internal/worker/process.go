package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	envMemory      = "THUMBMILL_WORKER_MEMORY" // RLIMIT_AS in bytes
	maxFile        = 1 << 30                   // bytes of one file that a worker writes, the thumbnail included
	maxDescriptors = 64
	startWithin    = 20 * time.Second // on a machine that is very busy
)

// errNotGiven says that the worker was gone before it got its task.
var errNotGiven = errors.New("the worker did not get the task")

// process is one worker, seen from its parent.
type process struct {
	cmd    *exec.Cmd
	conn   *net.UnixConn
	ended  chan struct{} // closed when the process was reaped
	engine string
}

// start executes this binary afresh as a worker. PDEATHSIG follows the thread
// that forked, so that it is called from one locked goroutine alone.
func start(c Config) (*process, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe") // this very binary, also after an upgrade on disk
	cmd.Args = []string{"thumbmill-worker"}
	cmd.Env = []string{
		envMark + "=1", fmt.Sprintf("%s=%d", envMemory, c.Memory), "TMPDIR=" + c.TempDir,
		"VIPS_CONCURRENCY=1", "VIPS_BLOCK_UNTRUSTED=1", "MALLOC_ARENA_MAX=2", "GOMAXPROCS=2", "LC_ALL=C.UTF-8",
	}
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Dir = c.TempDir
	cmd.Stderr = logWriter{c.Log}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	p := &process{cmd: cmd, conn: ours, ended: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(p.ended) }() // ends with the process; kill waits for it
	return p, p.awaitReady()
}

func (p *process) awaitReady() error {
	r, err := p.read(startWithin)
	if err != nil {
		p.kill()
		return fmt.Errorf("a worker did not start: %w", err)
	}
	p.engine = r.Version
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

// do gives the worker a task and waits for its report.
func (p *process) do(t Task, original, out *os.File, within time.Duration) (Report, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return Report{}, err
	}
	if len(text) > maxMessage {
		return Report{}, fmt.Errorf("a task of %d bytes", len(text))
	}
	if err := p.conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return Report{}, err
	}
	rights := unix.UnixRights(int(original.Fd()), int(out.Fd()))
	if _, _, err := p.conn.WriteMsgUnix(text, rights, nil); err != nil {
		return Report{}, fmt.Errorf("%w: %w", errNotGiven, err)
	}
	r, err := p.read(within)
	if errors.Is(err, syscall.ECONNRESET) { // it ended with the task unread
		err = fmt.Errorf("%w: %w", errNotGiven, err)
	}
	return r, err
}

func (p *process) read(within time.Duration) (r Report, err error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return r, err
	}
	text := make([]byte, maxMessage)
	n, err := p.conn.Read(text)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text[:n], &r)
}

// kill ends the process and all that it started, and waits until it is gone.
func (p *process) kill() {
	_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
	_ = p.conn.Close()
	<-p.ended
}

// signal is what ended the process, or 0.
func (p *process) signal() syscall.Signal {
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	return 0
}
