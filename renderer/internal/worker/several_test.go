package worker

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// severalTask returns a task with thumbnails of a disc in the given widths.
func severalTask(t *testing.T, widths ...int) (Task, *os.File) {
	t.Helper()
	body, err := samples.PNG(samples.Disc(300))
	f := original(t, body, err)
	h, err := guard.Inspect(f, int64(len(body)), thumbnail.TypePNG, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	task := Task{Header: h, MaxPixels: 40_000}
	for _, w := range widths {
		task.Specs = append(task.Specs, spec(w, thumbnail.FormatPNG))
	}
	return task, f
}

var ample = Limits{Each: 20 * time.Second, Whole: time.Minute}

// told is a pool's answer for one picture.
type told struct {
	report Report
	image  []byte
}

// Results may differ slightly, because a worker decodes a JPEG once, for the largest thumbnail. The test draws each
// alone only after it drew all together: two workers must not move one file's offset.
func TestSeveralEqualSingleRenders(t *testing.T) {
	p := newPool(t, 1)
	task, f := severalTask(t, 50, 10, 100, 150)
	for len(task.Specs) < renderjob.MaxBatch {
		task.Specs = append(task.Specs, spec(20+len(task.Specs), thumbnail.FormatJPEG))
	}
	var together []told
	err := p.Several(t.Context(), task, f, ample, func(i int, r Report, image *os.File) {
		got, err := Contents(image)
		if i != len(together) || err != nil {
			t.Errorf("report %d came after %d others, %v", i, len(together), err)
		}
		together = append(together, told{r, got})
	})
	if err != nil || len(together) != renderjob.MaxBatch {
		t.Fatalf("%d reports, %v", len(together), err)
	}
	for i, one := range together {
		report, want, err := do(t.Context(), p, Task{Spec: task.Specs[i], Header: task.Header, MaxPixels: task.MaxPixels}, f, 20*time.Second)
		r, got := one.report, one.image
		different := r.Format != report.Format || r.Width != report.Width || r.Height != report.Height || r.Sides != report.Sides
		if err != nil || r.Fault != nil || different || len(got) < len(want)/2 || len(got) > 2*len(want) {
			t.Errorf("%d: %d bytes %+v, alone %d bytes %+v, %v", i, len(got), r, len(want), report, err)
		}
	}
}

func TestAFaultConcernsOneThumbnail(t *testing.T) {
	p := newPool(t, 1)
	task, f := severalTask(t, 100, 290, 50) // 290 × 290 exceed MaxPixels
	var kinds []fault.Kind
	err := p.Several(t.Context(), task, f, ample, func(_ int, r Report, _ *os.File) {
		kind := fault.Kind("")
		if r.Fault != nil {
			kind = r.Fault.Kind
		}
		kinds = append(kinds, kind)
	})
	if err != nil || len(kinds) != 3 || kinds[0] != "" || kinds[1] != fault.BadURL || kinds[2] != "" {
		t.Errorf("%q, %v", kinds, err)
	}
}

// Several returns the worker's end as an error, and delivers the thumbnails that were ready before.
func TestAWorkerEndsDuringSeveral(t *testing.T) {
	for name, c := range map[string]struct {
		signal syscall.Signal
		limits Limits
		want   func(error) bool
	}{
		"the worker dies":              {syscall.SIGKILL, ample, func(err error) bool { return errors.Is(err, ErrDied) }},
		"one thumbnail takes too long": {syscall.SIGSTOP, Limits{Each: 500 * time.Millisecond, Whole: time.Minute}, func(err error) bool { return fault.Is(err, fault.Overran) }},
		"the task takes too long":      {syscall.SIGSTOP, Limits{Each: 20 * time.Second, Whole: 500 * time.Millisecond}, func(err error) bool { return fault.Is(err, fault.Overran) }},
		"the limit of processor time":  {syscall.SIGXCPU, ample, func(err error) bool { return fault.Is(err, fault.Overran) }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 1)
			pids := p.PIDs() // the worker that draws, and the spare
			task, f := severalTask(t, 20, 10_000, 20)
			task.Specs[1].Format, task.Specs[1].Enlarge, task.MaxPixels = thumbnail.FormatWebP, true, 1<<30 // this takes long
			heard := 0
			err := p.Several(t.Context(), task, f, c.limits, func(int, Report, *os.File) {
				heard++
				for _, pid := range pids {
					_ = syscall.Kill(pid, c.signal)
				}
			})
			if !c.want(err) || heard != 1 {
				t.Errorf("%d reports, %v", heard, err)
			}
		})
	}
}
