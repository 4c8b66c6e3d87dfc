package renderer

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// drains are the directives for this renderer: to take no jobs for a time. It is a
// service.Part, whose Stop forgets the drain under way.
type drains struct {
	intake interface{ Pause(paused bool) }
	log    *slog.Logger

	mu     sync.Mutex
	drains bool        // by a directive
	end    *time.Timer // of the directive
}

// draining reports whether the renderer drains by a directive.
func (d *drains) draining() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.drains
}

// hear drains, or takes jobs again, as a control message says.
func (d *drains) hear(m *nats.Msg) {
	var control renderjob.Control
	if err := json.Unmarshal(m.Data, &control); err != nil || control.DrainMS == nil { // nil: an answer of JetStream's, say
		d.log.Warn("a control message cannot be read", "subject", m.Subject, "error", err)
		return
	}
	d.drainFor(time.Duration(*control.DrainMS) * time.Millisecond)
}

// drainFor takes no jobs for a time, or takes them again when that is 0. A drain under way
// keeps its end.
func (d *drains) drainFor(left time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	drain := left > 0
	if d.drains == drain {
		return
	}
	d.log.Info("drain, or take jobs again, by a directive", "drain", drain, "for", left)
	d.pause(drain)
	if drain {
		d.end = time.AfterFunc(left, d.resume)
	} else {
		d.end.Stop()
	}
}

// resume ends a drain whose time is over.
func (d *drains) resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.drains {
		d.log.Info("the time to drain is over")
		d.pause(false)
	}
}

func (d *drains) pause(paused bool) {
	d.drains = paused
	d.intake.Pause(paused)
}

// Start does nothing: a listener brings the directives.
func (d *drains) Start(context.Context) error { return nil }

// Stop ends the timer of the drain under way.
func (d *drains) Stop(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.end != nil {
		d.end.Stop()
	}
	return nil
}
