package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// ErrDied says that the worker ended under the task. Try again in another.
var ErrDied = errors.New("the worker died under the render")

// Config is what a pool is made of.
type Config struct {
	Slots   int    // workers, and so renders at once
	Memory  uint64 // address space of each, bytes
	TempDir string // where decoders may put what is too large for memory
	Log     *slog.Logger
	// Killed counts workers that ended, by reason: time, cpu, file, died, idle.
	Killed *prometheus.CounterVec
}

// Pool is a fixed number of workers.
type Pool struct {
	config  Config
	spawn   chan chan spawned
	idle    chan *process
	ctx     context.Context //nolint:containedctx // the pool's own life
	cancel  context.CancelFunc
	group   sync.WaitGroup
	once    sync.Once
	engine  string
	mu      sync.Mutex
	running map[*process]struct{}
}

type spawned struct {
	process *process
	err     error
}

// NewPool starts all workers and returns when they are ready.
func NewPool(c Config) (*Pool, error) {
	p := &Pool{
		config: c, spawn: make(chan chan spawned), idle: make(chan *process, c.Slots),
		running: map[*process]struct{}{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.group.Go(p.spawner)
	for range c.Slots {
		w, err := p.start()
		if err != nil {
			p.Close()
			return nil, err
		}
		p.engine = w.engine
		p.idle <- w
	}
	return p, nil
}

// spawner starts workers from one thread that lives as long as the pool, since
// a worker is killed when the thread that forked it ends.
func (p *Pool) spawner() {
	runtime.LockOSThread()
	for {
		select {
		case <-p.ctx.Done():
			return // the thread ends with this goroutine: Close has killed the workers before
		case reply := <-p.spawn:
			w, err := start(p.config)
			reply <- spawned{w, err}
		}
	}
}

func (p *Pool) start() (*process, error) {
	reply := make(chan spawned, 1)
	select {
	case p.spawn <- reply:
	case <-p.ctx.Done():
		return nil, p.ctx.Err()
	}
	s := <-reply
	if s.err != nil {
		return nil, s.err
	}
	p.mu.Lock()
	p.running[s.process] = struct{}{}
	p.mu.Unlock()
	return s.process, nil
}

// Engine is the version of what the workers render with.
func (p *Pool) Engine() string { return p.engine }

// PIDs are the processes of the workers, for those who watch or disturb them.
func (p *Pool) PIDs() (pids []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.running {
		pids = append(pids, w.cmd.Process.Pid)
	}
	return pids
}

// Render has a worker do the task within the time limit. The thumbnail is
// returned as bytes. Errors are faults: Overran when it took too long, what the
// worker reported; or ErrDied.
func (p *Pool) Render(ctx context.Context, t Task, original *os.File, within time.Duration) (Report, []byte, error) {
	out, err := memoryFile()
	if err != nil {
		return Report{}, nil, fault.Wrap(err, fault.Internal, "no memory for a thumbnail")
	}
	defer func() { _ = out.Close() }()
	t.CPUSeconds = int(within.Seconds()) + 1
	report, err := p.do(ctx, t, original, out, within)
	if err != nil {
		return Report{}, nil, err
	}
	if report.Fault != nil {
		return report, nil, report.Fault
	}
	image, err := contents(out)
	return report, image, err
}

// do gives the task to a worker. One that could not even be given it had died
// while it was idle, which says nothing about the task: the next one gets it.
func (p *Pool) do(ctx context.Context, t Task, original, out *os.File, within time.Duration) (Report, error) {
	for {
		w, err := p.take(ctx)
		if err != nil {
			return Report{}, err
		}
		report, err := w.do(t, original, out, within)
		switch {
		case err == nil:
			p.idle <- w
			return report, nil
		case errors.Is(err, errNotGiven):
			p.bury(w)
			continue
		}
		return Report{}, p.replace(w, err, within)
	}
}

// take gives a worker that lives, as far as can be known.
func (p *Pool) take(ctx context.Context) (*process, error) {
	for {
		select {
		case w := <-p.idle:
			select {
			case <-w.ended:
				p.bury(w)
				continue
			default:
				return w, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.ctx.Done():
			return nil, p.ctx.Err()
		}
	}
}

// bury ends a worker that died while it was idle, and starts another.
func (p *Pool) bury(w *process) {
	w.kill()
	p.forget(w)
	p.config.Killed.WithLabelValues("idle").Inc()
	p.config.Log.Warn("a worker died while it was idle", "pid", w.cmd.Process.Pid, "signal", w.signal())
	p.group.Go(p.restock)
}

// replace ends a worker that gave no report, starts another in its place, and
// tells what its end means for the task.
func (p *Pool) replace(w *process, cause error, within time.Duration) error {
	late := errors.Is(cause, os.ErrDeadlineExceeded)
	if !late { // it is ending by itself; its status tells why
		select {
		case <-w.ended:
		case <-time.After(time.Second):
		}
	}
	w.kill()
	overrunCPU, overrunFile := w.signal() == syscall.SIGXCPU, w.signal() == syscall.SIGXFSZ
	p.forget(w)
	p.group.Go(p.restock)
	overran := fault.New(fault.Overran, "the render took longer than its limit of %v", within)
	switch {
	case late:
		p.config.Killed.WithLabelValues("time").Inc()
		return overran
	case overrunCPU:
		p.config.Killed.WithLabelValues("cpu").Inc()
		return overran
	case overrunFile:
		p.config.Killed.WithLabelValues("file").Inc()
		return fault.New(fault.TooLarge, "this thumbnail takes more room than a worker may use")
	}
	p.config.Killed.WithLabelValues("died").Inc()
	return fmt.Errorf("%w (pid %d, signal %q): %w", ErrDied, w.cmd.Process.Pid, w.signal(), cause)
}

func (p *Pool) forget(w *process) {
	p.mu.Lock()
	delete(p.running, w)
	p.mu.Unlock()
}

// restock brings the pool back to its number, however long that takes.
func (p *Pool) restock() {
	for p.ctx.Err() == nil {
		w, err := p.start()
		if err == nil {
			p.idle <- w
			return
		}
		p.config.Log.Error("no new worker", "error", err)
		select {
		case <-p.ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// Close kills all workers, those that render included.
func (p *Pool) Close() {
	p.once.Do(func() {
		p.killAll()
		p.cancel()
		p.group.Wait()
		p.killAll() // what restock was starting meanwhile
	})
}

func (p *Pool) killAll() {
	p.mu.Lock()
	running := p.running
	p.running = map[*process]struct{}{}
	p.mu.Unlock()
	for w := range running {
		w.kill()
	}
}

func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("thumbnail", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "thumbnail"), nil
}

func contents(out *os.File) ([]byte, error) {
	info, err := out.Stat()
	if err != nil {
		return nil, err
	}
	image := make([]byte, info.Size())
	_, err = out.ReadAt(image, 0)
	return image, err
}

// logWriter passes what a worker says on its error output to the log.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p[:min(len(p), 4096)])) {
		w.log.Debug("worker says", "line", strings.TrimSpace(line))
	}
	return len(p), nil
}
