package renderer

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/renderer/internal/pressure"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// describeEvery is the number of heartbeats from one with a description to the next. Edges that miss a description ask.
const describeEvery = 60

// describedLately is the time after a description in which a question gets the next heartbeat for an answer: a
// description goes to all edges, and many edges may ask at once.
const describedLately = 200 * time.Millisecond

// heartbeat is the service.Part that publishes the renderer's state every second.
type heartbeat struct {
	conn    *nats.Conn
	log     *slog.Logger
	before  func() // runs before each heartbeat
	compose func() renderjob.Heartbeat
	cancel  context.CancelFunc
	loop    sync.WaitGroup

	mu    sync.Mutex
	told  string    // the digest of the latest description
	at    time.Time // of the latest description
	brief int       // heartbeats since then
}

// Start publishes the first heartbeat at once.
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

// describe sends a heartbeat that describes the renderer, unless one was sent lately.
func (h *heartbeat) describe() {
	h.mu.Lock()
	lately := time.Since(h.at) < describedLately
	h.told = ""
	h.mu.Unlock()
	if !lately {
		h.publish()
	}
}

// shorten removes the description that edges already have.
func (h *heartbeat) shorten(beat renderjob.Heartbeat) renderjob.Heartbeat {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.brief++; h.told == beat.Digest && h.brief < describeEvery {
		return beat.With(renderjob.Heartbeat{})
	}
	h.told, h.at, h.brief = beat.Digest, time.Now(), 0
	return beat
}

func (h *heartbeat) publish() {
	beat := h.shorten(h.compose().Digested())
	text, err := json.Marshal(beat)
	if err == nil {
		err = h.conn.Publish(renderjob.HeartbeatSubject(beat.Renderer), text)
	}
	if err != nil {
		h.log.Warn("send heartbeat", "error", err)
	}
}

// gauge says how many slots the memory allows; pressure.Gauge implements it.
type gauge interface {
	Slots(whole int) int
	Stall() float64
}

// memory lowers the number of slots while memory is short.
type memory struct {
	whole   int // slots with enough memory
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

// slots returns the number of slots that the memory allowed at the last yield.
func (m *memory) slots() int { return int(m.allowed.Load()) }

// yield reads the memory pressure, and changes the number of slots that the intake pulls jobs for.
func (m *memory) yield() {
	slots := m.gauge.Slots(m.whole)
	if before := int(m.allowed.Swap(int64(slots))); before != slots {
		m.log.Warn("change slots by memory pressure",
			"slots", slots, "of", m.whole, "stalled_percent", m.gauge.Stall())
		m.intake.Resize(slots)
	}
}
