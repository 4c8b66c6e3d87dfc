// Package fleet counts the living renderers by their heartbeats. It knows their slots and engines.
package fleet

import (
	"cmp"
	"encoding/json"
	"errors"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// unknownSlots is the assumed number of slots until the first heartbeat.
	unknownSlots = 16
	// askAgain is the least time between two questions for one description.
	askAgain = time.Second
	// reporters is the number of edges that report a renderer to the coordinators. Three lose no renderer while two
	// of them are cut off. If all edges reported all renderers, a coordinator's work would grow with the product.
	reporters = 3
)

// Fleet is the living renderers. Its methods are safe for concurrent use.
type Fleet struct {
	site      string
	overflow  []string // sites that take this site's jobs, the first choice first
	mu        sync.Mutex
	living    *members // of this site
	others    map[string]*abroad
	lost      *members             // renderers that died less than lanes.PlacesKept ago; others get their jobs
	heard     time.Time            // of the last heartbeat that left slots, or of the edge's start
	lastSlots int                  // the last number of slots above 0
	asked     map[string]time.Time // when this edge last asked for a description, by kind
	sub       *nats.Subscription
}

// New returns a fleet without renderers. site is "" where there is one site.
func New(site string, overflow []string) *Fleet {
	return &Fleet{
		site: site, overflow: overflow, living: newMembers(), others: map[string]*abroad{}, lost: newMembers(), heard: time.Now(), lastSlots: unknownSlots, asked: map[string]time.Time{},
	}
}

// Listen subscribes to heartbeats. It calls steer with each, and says whether the renderer must describe itself.
func (f *Fleet) Listen(conn *nats.Conn, steer func(h renderjob.Heartbeat, describe bool)) error {
	sub, err := queue.Subscribe(conn, renderjob.AllHeartbeats, func(m *nats.Msg) {
		if h, err := read(m.Data); err == nil {
			steer(h, f.Note(h))
		}
	})
	if err != nil {
		return err
	}
	f.sub = sub
	return nil
}

// read parses a heartbeat.
func read(text []byte) (h renderjob.Heartbeat, err error) {
	if err = json.Unmarshal(text, &h); err == nil && h.Renderer == "" {
		err = errors.New("the heartbeat names no renderer")
	}
	return h, err
}

// Note records a heartbeat. It reports whether the renderer must describe itself: without its engines the failure
// memory would be asked in vain, so that a renderer counts only once it is described.
func (f *Fleet) Note(h renderjob.Heartbeat) (describe bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if !h.Described() && !f.knows(h) {
		return f.ask(h, now)
	}
	f.of(h.Site).put(h, now)
	f.lost.drop(h.Renderer)
	f.forgetDead(now)
	if f.living.slots > 0 {
		f.lastSlots = f.living.slots
	}
	if f.living.slots > 0 || f.abroadSlots() > 0 {
		f.heard = now
	}
	return false
}

// knows reports whether the description of a renderer is known.
func (f *Fleet) knows(h renderjob.Heartbeat) bool {
	at := f.living
	if h.Site != f.site {
		if f.others[h.Site] == nil {
			return false
		}
		at = f.others[h.Site].members
	}
	return at.kinds[kindOf(h)] != nil
}

// ask reports whether the edge must ask for a description, at most once in askAgain.
func (f *Fleet) ask(h renderjob.Heartbeat, now time.Time) bool {
	maps.DeleteFunc(f.asked, func(_ string, at time.Time) bool { return now.Sub(at) >= askAgain })
	kind := h.Site + " " + kindOf(h)
	if _, asked := f.asked[kind]; asked {
		return false
	}
	f.asked[kind] = now
	return true
}

func (f *Fleet) forgetDead(now time.Time) {
	for _, gone := range f.living.silent(now, lanes.DeadAfter) {
		f.lost.put(gone.beat, gone.at)
	}
	f.lost.silent(now, lanes.PlacesKept)
	for site, a := range f.others {
		a.members.silent(now, lanes.DeadAfter)
		if len(a.members.byName) == 0 {
			delete(f.others, site)
		}
	}
}

// Slots returns the slots of the living renderers that do not drain. While there are none, it
// returns the last number of slots, or 16 if no renderer has lived yet.
func (f *Fleet) Slots() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slots()
}

func (f *Fleet) slots() int {
	f.forgetDead(time.Now())
	if f.living.slots > 0 {
		f.lastSlots = f.living.slots
	}
	return f.lastSlots
}

// LaneWorkers returns the size of a lane's pool (lanes.Places). While a renderer lives, the size
// includes the places of renderers that died lately: their jobs hold those places until other
// renderers get the jobs. Without them the living renderers would have too few places.
func (f *Fleet) LaneWorkers(lane renderjob.Lane) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	slots := f.slots()
	if f.living.slots > 0 {
		slots += f.lost.slots
	} else if f.abroadSlots() > 0 && lane != renderjob.LaneBulk {
		return max(1, f.abroadPlaces(lane)) // nobody pulls jobs of this site's queue
	}
	return lanes.Places(lane, slots) + f.abroadPlaces(lane)
}

// GoneFor returns the time since the last renderer that takes this site's jobs; 0 while one lives.
func (f *Fleet) GoneFor() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.forgetDead(now)
	if f.living.slots > 0 || f.abroadSlots() > 0 {
		return 0
	}
	return now.Sub(f.heard)
}

// Idle reports whether a living renderer that does not drain has a free slot.
func (f *Fleet) Idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	return f.living.free > 0
}

// Free returns the names of at most so many living renderers of this site that have a free slot by their last
// heartbeats, in random order.
func (f *Fleet) Free(most int) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	return f.living.withSlots(most)
}

// Offer returns a living renderer of this site that would take a job at once, near if that has room, and counts the job
// there. ok is false if this edge knows none.
func (f *Fleet) Offer(near string) (renderer string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	return f.living.offer(near)
}

// Told records the number of jobs that a renderer would take at once, from its latest message.
func (f *Fleet) Told(renderer string, free int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.living.setRoom(renderer, free)
}

// Has reports whether a renderer of this site lives.
func (f *Fleet) Has(renderer string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	return f.living.byName[renderer] != nil
}

// Batch returns the number of jobs of one original that each renderer takes as a batch: the
// smallest number of all living renderers that do not drain, at least 1.
func (f *Fleet) Batch() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	batches := slices.Collect(maps.Keys(f.living.batches))
	for _, a := range f.overflowing() {
		batches = slices.AppendSeq(batches, maps.Keys(a.members.batches))
	}
	if len(batches) == 0 {
		return 1
	}
	return slices.Min(batches)
}

// Engines returns the versions of the engines that draw originals of a type, in the living
// renderers. Each version appears once.
func (f *Fleet) Engines(t thumbnail.Type) (engines []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	for _, m := range f.all() {
		for _, k := range m.kinds {
			if version := cmp.Or(k.described.TypeVersions[t], k.described.EngineVersion); !slices.Contains(engines, version) {
				engines = append(engines, version)
			}
		}
	}
	return engines
}

// Share returns the latest heartbeats of this site's renderers that the edge of the given name reports to the coordinators,
// beside the other living edges, which must be sorted. An edge that is not among them reports all renderers.
func (f *Fleet) Share(name string, edges []string) []renderjob.Heartbeat {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	own := slices.Index(edges, name)
	return f.living.beats(func(renderer string) bool {
		return own < 0 || (own+len(edges)-first(renderer, len(edges)))%len(edges) < reporters
	})
}

// first returns the place of the first edge of n that reports a renderer. The others follow it.
func first(renderer string, n int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(renderer))
	return int(h.Sum32() % uint32(n)) //nolint:gosec // a number of edges
}

// Names returns the names of the living renderers of all sites.
func (f *Fleet) Names() (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	for _, m := range f.all() {
		for name := range m.byName {
			names = append(names, name)
		}
	}
	return names
}
