// Package fleet knows the renderers that live, by their heartbeats: how many
// slots they have, and which engines.
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

const (
	// unknownSlots is taken while no renderer was heard of: enough to start with.
	unknownSlots = 16
)

// Fleet listens to heartbeats.
type Fleet struct {
	mu        sync.Mutex
	renderers map[string]seen
	lost      map[string]seen // died lately; what they had in hand comes to others
	heard     time.Time       // when the fleet was last alive, or the edge started
	lastSlots int
	sub       *nats.Subscription
}

// seen is the latest heartbeat of a renderer.
type seen struct {
	beat renderjob.Heartbeat
	at   time.Time
}

// New makes a fleet that nobody was heard of.
func New() *Fleet {
	return &Fleet{renderers: map[string]seen{}, lost: map[string]seen{}, heard: time.Now(), lastSlots: unknownSlots}
}

// Listen subscribes to heartbeats; steer sees each.
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

// Note takes a heartbeat.
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

// Slots is how many renders the living renderers can run at once; while none is
// known to live, what the last ones could.
func (f *Fleet) Slots() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	if slots := f.slots(); slots > 0 {
		f.lastSlots = slots
	}
	return f.lastSlots
}

// LaneWorkers is the size of the lane's pool (lanes.Places). The places of renderers that
// died stay until their jobs come to others: the jobs hold them, and the renderers that live
// would have none.
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

// GoneFor is how long no renderer lives; 0 while one does.
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

// Idle reports whether a renderer that takes jobs has a slot to spare.
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

// Batch is how many jobs of one original each renderer that takes jobs does at once, at least 1.
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

// Engines are the versions of what draws originals of a type in the living renderers.
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

// Heartbeats are the latest ones of the living renderers.
func (f *Fleet) Heartbeats() (all []renderjob.Heartbeat) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	for _, s := range f.renderers {
		all = append(all, s.beat)
	}
	return all
}

// Names are those of the living renderers.
func (f *Fleet) Names() (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	for name := range f.renderers {
		names = append(names, name)
	}
	return names
}
