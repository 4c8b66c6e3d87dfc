package worker

import (
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// A task that yields has a low priority until its end. When others took its time, its original is not at fault.
func TestTasksYield(t *testing.T) {
	p := newPool(t, 1)
	usual := p.config.priority()
	body, err := samples.PNG(samples.Disc(50))
	f := original(t, body, err)
	task := Task{Spec: spec(20, "png"), Header: guard.Header{Type: "png", Pages: 1}, MaxPixels: 1 << 20, Yields: true}
	first := <-p.fresh
	p.idle <- first // it gets the tasks
	pid := first.cmd.Process.Pid
	if _, _, err := do(t.Context(), p, task, f, time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, pid := range p.PIDs() { // a worker that could not raise its priority again has ended
		if got := processes.Stat(pid).Nice; got != usual {
			t.Errorf("after its task, a worker has the priority %d", got)
		}
	}
	if first.low {
		t.Skip("this process may not raise the priority of its workers")
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, _, err := do(t.Context(), p, task, f, time.Second)
		ended <- err
	}()
	eventually.Holds(t, 5*time.Second, "the worker has the lower priority", func() bool { return processes.Stat(pid).Nice == usual+yielding })
	if err := <-ended; !fault.Is(err, fault.Deadline) {
		t.Errorf("a task without processor time: %v", err)
	}
}
