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

// orders are operators' orders to drain. It is a service.Part, whose Stop drops the order.
type orders struct {
	intake interface{ Pause(paused bool) }
	log    *slog.Logger

	mu      sync.Mutex
	ordered bool        // to drain
	end     *time.Timer // of the order
}

// draining reports whether the renderer drains because an operator ordered it.
func (o *orders) draining() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ordered
}

// obey drains, or goes on, as the message orders.
func (o *orders) obey(m *nats.Msg) {
	var order renderjob.Control
	if err := json.Unmarshal(m.Data, &order); err != nil || order.DrainMS == nil { // nil: an answer of JetStream's, say
		o.log.Warn("an order cannot be read", "subject", m.Subject, "error", err)
		return
	}
	o.drainFor(time.Duration(*order.DrainMS) * time.Millisecond)
}

// drainFor takes no jobs for a time, or takes them again when that is 0. A drain under way
// keeps its end.
func (o *orders) drainFor(left time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	drain := left > 0
	if o.ordered == drain {
		return
	}
	o.log.Info("an operator orders a drain, or its end", "drain", drain, "for", left)
	o.pause(drain)
	if drain {
		o.end = time.AfterFunc(left, o.resume)
	} else {
		o.end.Stop()
	}
}

// resume ends a drain whose time is over.
func (o *orders) resume() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ordered {
		o.log.Info("the time to drain is over")
		o.pause(false)
	}
}

func (o *orders) pause(paused bool) {
	o.ordered = paused
	o.intake.Pause(paused)
}

// Start does nothing: a listener gives the orders.
func (o *orders) Start(context.Context) error { return nil }

// Stop ends the order's timer.
func (o *orders) Stop(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		o.end.Stop()
	}
	return nil
}
