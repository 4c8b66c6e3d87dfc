package renderer

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// drains applies the directives that tell this renderer to take no jobs for a time. It is a service.Part; Stop ends
// the timer of the current drain.
type drains struct {
	intake interface{ Pause(paused bool) }
	log    *slog.Logger

	mu     sync.Mutex
	drains bool        // a directive drains the renderer now
	end    *time.Timer // ends the current drain
}

// draining reports whether a directive drains the renderer now.
func (d *drains) draining() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.drains
}

// drainFor stops taking jobs for a time; 0 ends the drain. A second directive does not move the end of a current
// drain.
func (d *drains) drainFor(left time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	drain := left > 0
	if d.drains == drain {
		return
	}
	d.log.Info("apply directive: drain", "drain", drain, "for", left)
	d.pause(drain)
	if drain {
		d.end = time.AfterFunc(left, d.resume)
	} else {
		d.end.Stop()
	}
}

// resume ends the current drain when its time is over.
func (d *drains) resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.drains {
		d.log.Info("end drain: its time is over")
		d.pause(false)
	}
}

func (d *drains) pause(paused bool) {
	d.drains = paused
	d.intake.Pause(paused)
}

// Start does nothing: controls calls drainFor.
func (d *drains) Start(context.Context) error { return nil }

// Stop ends the timer of the current drain.
func (d *drains) Stop(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.end != nil {
		d.end.Stop()
	}
	return nil
}
