package renderer

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/renderer/internal/pressure"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// heartbeat is the service.Part that tells the fleet of the renderer every second.
type heartbeat struct {
	conn    *nats.Conn
	log     *slog.Logger
	before  func() // each one
	compose func() renderjob.Heartbeat
	cancel  context.CancelFunc
	loop    sync.WaitGroup
}

// Start sends the first one at once.
func (h *heartbeat) Start(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.loop.Go(func() {
		periodic.Do(ctx, renderjob.HeartbeatEvery, func(context.Context) { h.before(); h.publish() })
	})
	return nil
}

// Stop ends the heartbeats.
func (h *heartbeat) Stop(context.Context) error {
	if h.cancel != nil {
		h.cancel()
	}
	h.loop.Wait()
	return nil
}

// publish sends one heartbeat.
func (h *heartbeat) publish() {
	beat := h.compose()
	text, err := json.Marshal(beat)
	if err == nil {
		err = h.conn.Publish(renderjob.HeartbeatSubject(beat.Renderer), text)
	}
	if err != nil {
		h.log.Warn("a heartbeat was not sent", "error", err)
	}
}

// gauge tells how many of the slots memory allows. pressure.Gauge is one.
type gauge interface {
	Slots(whole int) int
	Stall() float64
}

// memory takes on fewer jobs while memory runs short.
type memory struct {
	whole   int // slots when it does not
	gauge   gauge
	intake  interface{ Resize(slots int) }
	log     *slog.Logger
	allowed atomic.Int64
}

func newMemory(slots int, intake interface{ Resize(slots int) }, log *slog.Logger) *memory {
	m := &memory{whole: slots, gauge: pressure.New(), intake: intake, log: log}
	m.allowed.Store(int64(slots))
	return m
}

// slots are those that memory allowed when it was looked at last.
func (m *memory) slots() int { return int(m.allowed.Load()) }

// yield looks at the memory, and changes the slots that jobs are pulled for.
func (m *memory) yield() {
	slots := m.gauge.Slots(m.whole)
	if before := int(m.allowed.Swap(int64(slots))); before != slots {
		m.log.Warn("memory decides how many renders run at once",
			"slots", slots, "of", m.whole, "stalled_percent", m.gauge.Stall())
		m.intake.Resize(slots)
	}
}
