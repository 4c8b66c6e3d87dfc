// Package fleet counts the living renderers by their heartbeats. It knows their slots and engines.
package fleet

import (
	"cmp"
	"encoding/json"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// unknownSlots is the assumed number of slots until the first heartbeat.
const unknownSlots = 16

// Fleet is the living renderers. Its methods are safe for concurrent use.
type Fleet struct {
	mu        sync.Mutex
	renderers map[string]seen
	lost      map[string]seen // renderers that died less than lanes.PlacesKept ago; others get their jobs
	heard     time.Time       // of the last heartbeat that left slots, or of the edge's start
	lastSlots int             // the last number of slots above 0
	sub       *nats.Subscription
}

// seen is the latest heartbeat of a renderer.
type seen struct {
	beat renderjob.Heartbeat
	at   time.Time
}

// New returns a fleet without renderers.
func New() *Fleet {
	return &Fleet{renderers: map[string]seen{}, lost: map[string]seen{}, heard: time.Now(), lastSlots: unknownSlots}
}

// Listen subscribes to heartbeats. It calls steer with each.
func (f *Fleet) Listen(conn *nats.Conn, steer func(renderjob.Heartbeat)) error {
	sub, err := queue.Subscribe(conn, renderjob.AllHeartbeats, func(m *nats.Msg) {
		var h renderjob.Heartbeat
		if json.Unmarshal(m.Data, &h) == nil && h.Renderer != "" {
			f.Note(h)
			steer(h)
		}
	})
	if err != nil {
		return err
	}
	f.sub = sub
	return nil
}

// Note records a heartbeat.
func (f *Fleet) Note(h renderjob.Heartbeat) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.renderers[h.Renderer] = seen{beat: h, at: now}
	delete(f.lost, h.Renderer)
	f.forgetDead(now)
	if slots := f.slots(); slots > 0 {
		f.heard, f.lastSlots = now, slots
	}
}

func (f *Fleet) forgetDead(now time.Time) {
	for name, s := range f.renderers {
		if now.Sub(s.at) > lanes.DeadAfter {
			delete(f.renderers, name)
			f.lost[name] = s
		}
	}
	for name, s := range f.lost {
		if now.Sub(s.at) > lanes.PlacesKept {
			delete(f.lost, name)
		}
	}
}

func (f *Fleet) slots() int { return slots(f.renderers) }

func slots(of map[string]seen) (total int) {
	for _, s := range of {
		if !s.beat.Draining {
			total += s.beat.Slots
		}
	}
	return total
}

// Slots returns the slots of the living renderers that do not drain. While there are none, it
// returns the last number of slots, or 16 if no renderer has lived yet.
func (f *Fleet) Slots() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	if slots := f.slots(); slots > 0 {
		f.lastSlots = slots
	}
	return f.lastSlots
}

// LaneWorkers returns the size of a lane's pool (lanes.Places). While a renderer lives, the size
// includes the places of renderers that died lately: their jobs hold those places until other
// renderers get the jobs. Without them the living renderers would have too few places.
func (f *Fleet) LaneWorkers(lane renderjob.Lane) int {
	slots := f.Slots()
	if lost := f.lostSlots(); f.GoneFor() == 0 {
		slots += lost
	}
	return lanes.Places(lane, slots)
}

func (f *Fleet) lostSlots() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slots(f.lost)
}

// GoneFor returns the time since the last renderer that takes jobs; 0 while one lives.
func (f *Fleet) GoneFor() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.forgetDead(now)
	if f.slots() > 0 {
		return 0
	}
	return now.Sub(f.heard)
}

// Idle reports whether a living renderer that does not drain has a free slot.
func (f *Fleet) Idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	for _, s := range f.renderers {
		if !s.beat.Draining && s.beat.Busy < s.beat.Slots {
			return true
		}
	}
	return false
}

// Batch returns the number of jobs of one original that each renderer takes as a batch: the
// smallest number of all living renderers that do not drain, at least 1.
func (f *Fleet) Batch() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	least := 0
	for _, s := range f.renderers {
		if batch := max(1, s.beat.Batch); !s.beat.Draining && (least == 0 || batch < least) {
			least = batch
		}
	}
	return max(1, least)
}

// Engines returns the versions of the engines that draw originals of a type, in the living
// renderers. Each version appears once.
func (f *Fleet) Engines(t thumbnail.Type) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	known := map[string]bool{}
	var engines []string
	for _, s := range f.renderers {
		if version := cmp.Or(s.beat.TypeVersions[t], s.beat.EngineVersion); !known[version] {
			known[version] = true
			engines = append(engines, version)
		}
	}
	return engines
}

// Heartbeats returns the latest heartbeat of each living renderer.
func (f *Fleet) Heartbeats() (all []renderjob.Heartbeat) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	for _, s := range f.renderers {
		all = append(all, s.beat)
	}
	return all
}

// Names returns the names of the living renderers.
func (f *Fleet) Names() (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	for name := range f.renderers {
		names = append(names, name)
	}
	return names
}
