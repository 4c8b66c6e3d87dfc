package worker

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/vips"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// maxFiles bounds the files of a task: the original, and one for each thumbnail or overlay.
const maxFiles = 1 + renderjob.MaxBatch

// Limits bound the wall time of a task with several specs.
type Limits struct {
	Each  time.Duration // for one thumbnail, after the thumbnail before
	Whole time.Duration // for all thumbnails together
}

// Several lets a worker draw a task's Specs, at most renderjob.MaxBatch. It calls done for each in order, as soon as
// it is ready, with the report (its Fault concerns this thumbnail alone) and the memory file, which Several closes at
// its end.
//
// An error says that the worker ended, and that the specs without a call of done were not drawn. It is ErrDied, or a
// fault (Overran, TooLarge) that the first of these specs or the original may have caused.
func (p *Pool) Several(ctx context.Context, t Task, original *os.File, limits Limits, done func(i int, r Report, image *os.File)) error {
	outs, err := memoryFiles(len(t.Specs))
	defer closeAll(outs)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot make memory files for thumbnails")
	}
	whole := min(limits.Whole, time.Duration(len(t.Specs))*limits.Each)
	t.CPUSeconds = int(whole.Seconds()) + 1
	report, err := p.inWorker(ctx, limits.Each, func(w *process) (Report, error) {
		defer w.yield(t.Yields)()
		return w.exchangeSeveral(t, original, outs, limits, done)
	})
	if err != nil {
		return &Ended{report.CPU, err}
	}
	return nil
}

// Ended is the error of a task with several specs whose worker ended. It wraps the reason.
type Ended struct {
	CPU time.Duration // processor time of the spec that was not ready
	Err error
}

// Error returns the reason.
func (e *Ended) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *Ended) Unwrap() error { return e.Err }

func memoryFiles(n int) (files []*os.File, err error) {
	for range n {
		file, err := memoryFile()
		if err != nil {
			return files, err
		}
		files = append(files, file)
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// exchangeSeveral gives the worker a task, and calls done with each report. It returns the last report.
func (p *process) exchangeSeveral(t Task, original *os.File, outs []*os.File, limits Limits, done func(int, Report, *os.File)) (r Report, err error) {
	end := time.Now().Add(limits.Whole)
	if err := p.give(t, append([]*os.File{original}, outs...), limits.Each); err != nil {
		return r, err
	}
	for i := range outs {
		r, err = p.readReport(min(limits.Each, time.Until(end)))
		if i == 0 && errors.Is(err, syscall.ECONNRESET) { // the worker ended before it read the task
			err = errors.Join(errNotGiven, err)
		}
		if err != nil {
			return r, err
		}
		if i < len(outs)-1 { // inWorker adds the last
			p.spent += r.CPU
		}
		done(i, r, outs[i])
	}
	return r, nil
}

// performSeveral draws a task's specs, and reports each as soon as it is ready.
func performSeveral(task Task, files []*os.File) (err error) {
	before := cpuTime()
	if err := limitCPU(cpuTimeOf(unix.RUSAGE_SELF) + time.Duration(task.CPUSeconds)*time.Second); err != nil {
		return err
	}
	vips.Several(task.Specs, task.Header, task.MaxPixels, task.Effort, files[0], files[1:], func(_ int, drawn vips.Result, failed error) {
		now := cpuTime()
		report := reportOf(drawn)
		report.CPU, report.Spent = now-before, spent()
		before = now
		report.blame(failed)
		err = errors.Join(err, sendReport(report))
	})
	return err
}

// blame sets the report's fault, with the decoder's last error.
func (r *Report) blame(err error) {
	if err != nil {
		r.Fault = fault.Of(err)
		r.Fault.Message += cause(r.Fault)
	}
}
