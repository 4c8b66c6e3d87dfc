package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/cgroup"
	"github.com/thumbmill/thumbmill/renderer/internal/sandbox"
	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/periodic"
)

// ErrDied says that the worker ended during the task. The caller may try again in another worker.
var ErrDied = errors.New("the worker died during the render")

// Config holds the settings and dependencies of a pool.
type Config struct {
	Kind    Kind
	Slots   int             // workers that can be busy at once
	Standby int             // workers that start with the pool and stay; the pool starts at least one, to know its engine
	Rest    time.Duration   // time without a task after which a worker ends that need not stay; 0 = never
	Memory  uint64          // address space of each worker and of each tool, bytes
	TempDir string          // parent of the tool workers' folders
	Scratch int64           // bytes that a tool may write to its folder
	Recycle int             // tasks after which a worker is replaced; 0 = never
	Nice    int             // how much lower the priority of workers is than this process's
	Require []sandbox.Layer // layers that each worker must have
	Cgroups *cgroup.Parent  // nil = the machine grants no control groups
	Log     *slog.Logger
	// Programs is a folder of programs beside the system's; "" = the folder of this program.
	Programs string
	// Killed counts the workers that ended, by reason: time, cpu, file, scratch, died, idle, recycled.
	Killed *prometheus.CounterVec
}

// most returns the number of workers: one for each slot, and those that draw slow jobs beside the slots.
func (c Config) most() int { return c.Slots + lanes.SlowSlots(c.Slots) }

func (c Config) programs() string {
	own, err := os.Executable()
	if c.Programs != "" || err != nil {
		return c.Programs
	}
	return filepath.Dir(own)
}

// Pool is a bounded number of workers. It prefers workers that have worked: the other workers stay small, because
// they share nearly all of their memory.
type Pool struct {
	config  Config
	spawn   chan chan spawned
	idle    chan *process   // idle workers that have worked
	fixed   atomic.Bool     // this process cannot raise a priority again, so that no task yields
	fresh   chan *process   // idle workers that have not worked yet
	ctx     context.Context //nolint:containedctx // the pool's lifetime
	cancel  context.CancelFunc
	group   sync.WaitGroup
	once    sync.Once
	ready   Ready
	mu      sync.Mutex
	size    int // workers that live or start
	running map[*process]struct{}
}

type spawned struct {
	process *process
	err     error
}

// NewPool starts the standby workers, and returns when they are ready. It returns an error when the kernel lacks a
// required layer.
func NewPool(c Config) (*Pool, error) {
	most := c.most()
	p := &Pool{
		config: c, spawn: make(chan chan spawned), idle: make(chan *process, most), fresh: make(chan *process, most),
		size: max(1, min(c.Standby, most)), running: map[*process]struct{}{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.group.Go(p.spawner)
	for i := range p.size {
		w, err := p.start()
		if err == nil {
			p.offer(p.fresh, w)
			err = enough(c.Require, w.ready.Layers)
		}
		if err != nil {
			p.Close()
			return nil, err
		}
		if i == 0 {
			p.ready = w.ready
		}
	}
	if c.Rest > 0 {
		p.group.Go(p.thin)
	}
	return p, nil
}

func enough(required, inForce []sandbox.Layer) error {
	if missing := sandbox.Missing(required, inForce); len(missing) > 0 {
		return fmt.Errorf("this machine confines workers with %v, but renderer.sandbox also requires %v: remove these layers or change the machine", inForce, missing)
	}
	return nil
}

// spawner starts all workers from one thread that lives as long as the pool, because a worker is killed when the
// thread that forked it ends.
func (p *Pool) spawner() {
	runtime.LockOSThread()
	priority := p.config.priority()
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, priority) // of this thread, and of all that it starts; lowering is always allowed
	for number := 1; ; number++ {
		select {
		case <-p.ctx.Done():
			return // the thread ends with this goroutine: Close has killed the workers
		case reply := <-p.spawn:
			w, err := start(p.config, number, priority)
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

// Ready returns the first worker's description of its engine.
func (p *Pool) Ready() Ready { return p.ready }

// PIDs returns the process ids of the workers, for tests and measurements.
func (p *Pool) PIDs() (pids []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.running {
		pids = append(pids, w.cmd.Process.Pid)
	}
	return pids
}

// Do lets a worker do the task within the time limit. It returns the thumbnail as a memory file, which the caller
// must close. Its errors are faults (Overran after the limit, or the worker's fault), or ErrDied.
func (p *Pool) Do(ctx context.Context, t Task, original *os.File, within time.Duration) (Report, *os.File, error) {
	out, err := memoryFile()
	if err != nil {
		return Report{}, nil, fault.Wrap(err, fault.Internal, "cannot make a memory file for a thumbnail")
	}
	if t.CPUSeconds == 0 {
		t.CPUSeconds = int(within.Seconds()) + 1
	}
	report, err := p.giveTask(ctx, t, original, out, within)
	if err == nil && report.Fault != nil {
		err = report.Fault
	}
	if err != nil {
		_ = out.Close()
		return report, nil, err
	}
	return report, out, nil
}

// giveTask passes the task to a worker.
func (p *Pool) giveTask(ctx context.Context, t Task, original, out *os.File, within time.Duration) (Report, error) {
	yields, alone := t.Yields && !p.fixed.Load(), false
	report, err := p.inWorker(ctx, within, func(w *process) (Report, error) {
		alone = w.folder == "" // the time of a tool that is killed is unknown
		defer w.yield(yields)()
		return p.doIn(w, t, original, out, within)
	})
	if yields && alone && fault.Is(err, fault.Overran) && report.CPU < within/2 { // other tasks are at fault, not the original
		err = fault.Wrap(err, fault.Deadline, "the render did not end within %v, because others came first: ask again later", within.Round(time.Second))
	}
	return report, err
}

// Exceeded reports whether its time limit ended a task, through its original's or through others' fault.
func Exceeded(err error) bool { return fault.Is(err, fault.Overran) || fault.Is(err, fault.Deadline) }

// inWorker runs do with a worker. When a worker died while it was idle, and never got the task, the task goes to the
// next worker.
func (p *Pool) inWorker(ctx context.Context, within time.Duration, do func(*process) (Report, error)) (Report, error) {
	for {
		w, err := p.awaitIdle(ctx)
		if err != nil {
			return Report{}, err
		}
		report, err := do(w)
		switch {
		case err == nil:
			w.spent += report.CPU
			p.putBack(w, report.Spent)
			return report, nil
		case errors.Is(err, errNotGiven):
			p.bury(w)
			continue
		}
		err = p.replace(w, err, within)
		return Report{CPU: w.lastCPU()}, err
	}
}

// doIn does the task in one worker. During the task, a tool worker sees the original in its folder, and watch bounds
// the folder.
func (p *Pool) doIn(w *process, t Task, original, out *os.File, within time.Duration) (Report, error) {
	if w.folder == "" {
		return w.exchange(t, original, out, within)
	}
	if t.Work.ByName() {
		named := tools.Named(w.folder)
		if err := os.Link(original.Name(), named); err != nil {
			return Report{}, fault.Wrap(err, fault.Internal, "cannot link the original into a tool's folder")
		}
		defer func() { _ = os.Remove(named) }()
	}
	watching, cancel := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	watch.Go(func() { w.watch(watching, p.config.Scratch) })
	report, err := w.exchange(t, original, out, within)
	cancel()
	watch.Wait()
	if err == nil {
		err = w.wipe()
	}
	return report, err
}

// putBack makes a worker free for the next task. It replaces a worker that did Recycle tasks, that has too little
// address space left, or that kept a low priority.
func (p *Pool) putBack(w *process, spent bool) {
	if w.low { // each task that yields would cost its worker
		p.fixed.Store(true)
	}
	if !spent && !w.low && (p.config.Recycle == 0 || w.tasks < p.config.Recycle) {
		p.offer(p.idle, w)
		return
	}
	p.config.Killed.WithLabelValues("recycled").Inc()
	w.kill()
	p.forget(w)
	p.group.Go(p.restock)
}

// awaitIdle returns a worker that is not known to be dead.
func (p *Pool) awaitIdle(ctx context.Context) (*process, error) {
	for {
		w, err := p.takeIdle(ctx)
		if err != nil {
			return nil, err
		}
		select {
		case <-w.ended:
			p.bury(w)
		default:
			return w, nil
		}
	}
}

// takeIdle takes a worker that has worked, or else a fresh worker. If none is idle, it starts another one, within the
// bound, and takes the first that is free.
func (p *Pool) takeIdle(ctx context.Context) (*process, error) {
	if w := p.takeOrGrow(); w != nil {
		return w, nil
	}
	select {
	case w := <-p.idle:
		return w, nil
	case w := <-p.fresh:
		return w, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.ctx.Done():
		return nil, p.ctx.Err()
	}
}

// takeOrGrow takes an idle worker. If none is idle, it starts one more, within the bound, and returns nil.
func (p *Pool) takeOrGrow() *process {
	p.mu.Lock() // so that rested takes no worker between the look and the start
	defer p.mu.Unlock()
	for _, from := range []chan *process{p.idle, p.fresh} {
		select {
		case w := <-from:
			return w
		default:
		}
	}
	if p.size < p.config.most() && p.ctx.Err() == nil {
		p.size++
		p.group.Go(p.restock)
	}
	return nil
}

// offer makes a worker free for the next task.
func (p *Pool) offer(to chan *process, w *process) {
	w.idleFrom = time.Now()
	to <- w
}

// thin ends workers that had no task for the time of Rest, until the standby workers are left.
func (p *Pool) thin() {
	for periodic.Sleep(p.ctx, p.config.Rest) == nil {
		for w := p.rested(); w != nil; w = p.rested() {
			p.config.Log.Debug("end worker without a task", "kind", p.config.Kind, "pid", w.cmd.Process.Pid)
			w.kill()
			p.forget(w)
		}
	}
}

// rested removes a worker from the pool that need not stay, or returns nil.
func (p *Pool) rested() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size <= p.config.Standby {
		return nil
	}
	for _, from := range []chan *process{p.idle, p.fresh} {
		select {
		case w := <-from:
			if time.Since(w.idleFrom) >= p.config.Rest {
				p.size--
				return w
			}
			from <- w
		default:
		}
	}
	return nil
}

// bury removes a worker that died while it was idle, and starts another.
func (p *Pool) bury(w *process) {
	w.kill()
	p.forget(w)
	p.config.Killed.WithLabelValues("idle").Inc()
	p.config.Log.Warn("replace worker that died while it was idle", "pid", w.cmd.Process.Pid, "signal", w.signal())
	p.group.Go(p.restock)
}

// replace kills a worker that gave no report, and starts another. It returns the error of the task.
func (p *Pool) replace(w *process, cause error, within time.Duration) error {
	late := errors.Is(cause, os.ErrDeadlineExceeded)
	if !late { // the worker is ending by itself; its exit status says why
		select {
		case <-w.ended:
		case <-time.After(time.Second):
		}
	}
	w.kill()
	overrunCPU, overrunFile := w.signal() == syscall.SIGXCPU, w.signal() == syscall.SIGXFSZ
	overrunScratch := w.overflowed.Load()
	p.forget(w)
	p.group.Go(p.restock)
	if fault.Is(cause, fault.Internal) { // the renderer's own error, before the task began
		return cause
	}
	overran := fault.New(fault.Overran, "the render took longer than its limit of %v", within.Round(time.Millisecond))
	switch {
	case late:
		p.config.Killed.WithLabelValues("time").Inc()
		return overran
	case overrunScratch:
		p.config.Killed.WithLabelValues("scratch").Inc()
		return fault.New(fault.TooLarge, "a tool wrote more than %d bytes for this original, which is its limit", p.config.Scratch)
	case overrunCPU:
		p.config.Killed.WithLabelValues("cpu").Inc()
		return overran
	case overrunFile:
		p.config.Killed.WithLabelValues("file").Inc()
		return fault.New(fault.TooLarge, "a file for this thumbnail exceeds %d bytes, the limit of a worker", maxFile)
	}
	p.config.Killed.WithLabelValues("died").Inc()
	return fmt.Errorf("%w (pid %d, signal %q): %w", ErrDied, w.cmd.Process.Pid, w.signal(), cause)
}

func (p *Pool) forget(w *process) {
	p.mu.Lock()
	delete(p.running, w)
	p.mu.Unlock()
}

// restock starts a worker. It tries again every second until the start succeeds or the pool closes.
func (p *Pool) restock() {
	for p.ctx.Err() == nil {
		w, err := p.start()
		if err == nil {
			p.offer(p.fresh, w)
			return
		}
		p.config.Log.Error("start worker", "error", err)
		_ = periodic.Sleep(p.ctx, time.Second) // the loop checks the context
	}
}

// Close kills all workers, even those that render.
func (p *Pool) Close() {
	p.once.Do(func() {
		p.killAll()
		p.cancel()
		p.group.Wait()
		p.killAll() // workers that restock started meanwhile
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

// MemoryFile returns a file in memory with the given contents. The caller must close it.
func MemoryFile(contents []byte) (*os.File, error) {
	file, err := memoryFile()
	if err != nil {
		return nil, err
	}
	if _, err := file.Write(contents); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("thumbnail", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "thumbnail"), nil
}

// Contents returns the contents of a memory file.
func Contents(out *os.File) ([]byte, error) {
	info, err := out.Stat()
	if err != nil {
		return nil, err
	}
	image := make([]byte, info.Size())
	_, err = out.ReadAt(image, 0)
	return image, err
}

// logWriter logs a worker's error output.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p[:min(len(p), 4096)])) {
		w.log.Debug("report output of worker", "line", strings.TrimSpace(line))
	}
	return len(p), nil
}
