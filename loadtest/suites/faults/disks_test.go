package faults

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
	"github.com/thumbmill/thumbmill/shared/objectstore/directory"
)

func fillDisk(s *site) {
	free := s.crowd(s.temp)
	visitors.Lasts(5 * time.Second)
	free()
}

// fullQueue leaves JetStream's servers without a byte of their disk meanwhile, at least 5 s. Jobs are in memory; the disk
// has the servers' own state.
func fullQueue(meanwhile func(*site)) func(*site) {
	return func(s *site) {
		free := s.crowd(s.queue)
		defer free()
		visitors.Lasts(5 * time.Second)
		meanwhile(s)
	}
}

// leaderDiesOfAFullDisk kills the leader, and the election of another one needs the disk. The servers then end their
// JetStream until the health check of docker-compose.yml reloads their configuration.
func leaderDiesOfAFullDisk(s *site) {
	free := s.crowd(s.queue)
	leads := s.parts[s.leader()]
	leads.kill()
	visitors.Lasts(8 * time.Second)
	free()
	leads.launch()
	s.relaunched = time.Now()
	var checks sync.WaitGroup
	for _, name := range natsOf() {
		checks.Go(func() { s.checkHealth(name) })
	}
	checks.Wait()
}

// checkHealth repeats the health check of docker-compose.yml until a NATS server is ready.
func (s *site) checkHealth(name string) {
	script := filepath.Join(s.root, "deploy", "compose", "nats-ready")
	eventually.Succeeds(s.t, startWithin, name+" is ready", func() error {
		out, err := exec.Command(script, "http://"+s.address[name+" admin"], strconv.Itoa(s.parts[name].cmd.Process.Pid)).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
}

// crowd fills a small disk until free is called.
func (s *site) crowd(folder string) (free func()) {
	file := filepath.Join(folder, "filler")
	_ = exec.Command("dd", "if=/dev/zero", "of="+file, "bs=64K").Run() // dd ends when the disk is full
	return func() {
		if err := os.Remove(file); err != nil {
			s.t.Error(err)
		}
	}
}

// slowDisk is the file with the nanoseconds that each write to a file takes longer.
const slowDisk = "SLOW_DISK"

// slowed is the end of the name of a file that a slow write leaves beside it.
const slowed = ".slowed"

// buildSlow builds NATS' server with files whose writes can be slow.
func (s *site) buildSlow() {
	s.t.Helper()
	changes := map[string]string{}
	for _, begin := range []string{"func (f *File) Write(b []byte) (n int, err error) {\n", "func (f *File) WriteAt(b []byte, off int64) (n int, err error) {\n"} {
		changes[begin] = begin + "\tslowDown(f)\n"
	}
	flags := s.patched("os/file.go", changes, slowDisk, fmt.Sprintf(`
func slowDown(f *File) {
	if f == nil || told == nil || *told == 0 || f.stdoutOrErr {
		return
	}
	name, _ := syscall.Getenv(%q)
	wait := syscall.NsecToTimespec(*told)
	_ = syscall.Nanosleep(&wait, nil)
	if fd, err := syscall.Open(name+%q, syscall.O_CREAT|syscall.O_WRONLY|syscall.O_CLOEXEC, 0o600); err == nil {
		_ = syscall.Close(fd)
	}
}
`, slowDisk, slowed))
	into := s.path("slow")
	build(s.t, s.root, into, []string{programs.NATSServer}, flags...)
	s.tell(slowDisk, 0)
	s.nats = filepath.Join(into, "nats-server")
}

func slowQueue(meanwhile func(*site)) func(*site) {
	return func(s *site) {
		s.tell(slowDisk, (300 * time.Millisecond).Nanoseconds())
		defer s.tell(slowDisk, 0)
		visitors.Lasts(5 * time.Second)
		meanwhile(s)
		if err := os.Remove(s.path(slowDisk) + slowed); err != nil {
			s.t.Errorf("no write of JetStream was slow: %v", err)
		}
	}
}

func restartLeader(s *site) { s.parts[s.leader()].restart() }

// write is a step of a write of a file: a thread's nth call of one of some system calls.
type write struct {
	calls string
	nth   int
}

// kills returns a command of strace that kills the traced process when it takes the step, before the call does anything.
func (w write) kills(more ...string) []string {
	return append([]string{
		"strace", "-f", "-q", "-o", os.DevNull, "-e", "trace=" + w.calls, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", w.calls, w.nth),
	}, more...)
}

// killAt kills a running process at a step. It returns when the process has ended.
func (s *site) killAt(name string, w write) {
	s.t.Helper()
	p := s.parts[name]
	command := w.kills("-p", fmt.Sprint(p.cmd.Process.Pid))
	tracer := exec.Command(command[0], command[1:]...)
	if err := tracer.Start(); err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = tracer.Process.Kill(); _ = tracer.Wait() }()
	s.dies(p, w)
}

// startUntil starts a process, and kills it at a step. It returns when the process has ended.
func (s *site) startUntil(p *process, w write) {
	s.t.Helper()
	command := p.command
	p.command = w.kills(append([]string{"-D"}, command...)...) // -D: the program is the child, and strace follows it
	p.launch()
	p.command = command
	s.dies(p, w)
}

// dies waits until a process dies at a step.
func (s *site) dies(p *process, w write) {
	s.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		s.t.Errorf("no thread of %s calls %s %d times in a minute", p.name, w.calls, w.nth)
		p.kill()
	}
}

// killRendererAtWrites kills a renderer between the steps of a thumbnail's write: before its content is on the disk, and
// before it gets its name.
func killRendererAtWrites(s *site) {
	for _, calls := range []string{"fdatasync", "renameat,renameat2"} {
		s.killAt("renderer-1", write{calls, 3})
		s.parts["renderer-1"].start()
		s.load.AwaitAnswers(between, time.Now())
	}
	s.relaunched = time.Now()
	store, err := directory.NewThumbnails(s.path("thumbnails"), directory.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	read, damaged := 0, 0
	err = store.Scrub(context.Background(), math.MaxInt32, func(bad bool) {
		read++
		if bad {
			damaged++
		}
	})
	if err != nil || damaged > 0 || read == 0 {
		s.t.Errorf("%d of %d thumbnails are damaged, %v", damaged, read, err)
	}
}

// killNATSAtWrites kills a NATS server between the steps of the writes of its state, which it makes when it starts: before
// a file's name and folder are on the disk, and before a block of its log is.
func killNATSAtWrites(s *site) {
	p := s.parts["nats-1"]
	for _, w := range []write{{"renameat,renameat2", 1}, {"fsync", 1}, {"pwrite64", 1}, {"renameat,renameat2", 2}, {"fsync", 2}} {
		p.stop()
		s.startUntil(p, w)
		p.start()
		s.load.AwaitAnswers(between, time.Now())
	}
	s.relaunched = time.Now()
}
