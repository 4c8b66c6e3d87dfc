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

// maxFiles is how many files come with a task at most: the original, and one for each
// thumbnail or overlay.
const maxFiles = 1 + renderjob.MaxBatch

// Limits bound the wall time of a task with several specs.
type Limits struct {
	Each  time.Duration // of one thumbnail, since the one before was ready
	Whole time.Duration // of all together
}

// Several has a worker draw a task's Specs, at most renderjob.MaxBatch, and calls done for each
// as soon as it is ready, in their order: with the report, whose fault is this thumbnail's, and
// the memory file, which is closed afterwards. An error says that the worker ended, and that
// those of which done did not hear were not drawn: it is a fault (Overran, TooLarge), which the
// first of them or the original may be to blame for, or ErrDied.
func (p *Pool) Several(ctx context.Context, t Task, original *os.File, limits Limits, done func(i int, r Report, image *os.File)) error {
	outs, err := memoryFiles(len(t.Specs))
	defer closeAll(outs)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "no memory for thumbnails")
	}
	whole := min(limits.Whole, time.Duration(len(t.Specs))*limits.Each)
	t.CPUSeconds = int(whole.Seconds()) + 1
	_, err = p.inWorker(ctx, limits.Each, func(w *process) (Report, error) {
		return w.exchangeSeveral(t, original, outs, limits, done)
	})
	return err
}

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

// exchangeSeveral gives the worker a task, and hands over each report. It returns the last.
func (p *process) exchangeSeveral(t Task, original *os.File, outs []*os.File, limits Limits, done func(int, Report, *os.File)) (r Report, err error) {
	end := time.Now().Add(limits.Whole)
	if err := p.give(t, append([]*os.File{original}, outs...), limits.Each); err != nil {
		return r, err
	}
	for i := range outs {
		r, err = p.readReport(min(limits.Each, time.Until(end)))
		if i == 0 && errors.Is(err, syscall.ECONNRESET) { // it ended with the task unread
			err = errors.Join(errNotGiven, err)
		}
		if err != nil {
			return r, err
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
	vips.Several(task.Specs, task.Header, task.MaxPixels, files[0], files[1:], func(_ int, drawn vips.Result, failed error) {
		now := cpuTime()
		report := reportOf(drawn)
		report.CPU, report.Spent = now-before, spent()
		before = now
		report.blame(failed)
		err = errors.Join(err, sendReport(report))
	})
	return err
}

// blame tells what failed, with the decoder's own words.
func (r *Report) blame(err error) {
	if err != nil {
		r.Fault = fault.Of(err)
		r.Fault.Message += cause(r.Fault)
	}
}
