// Package fleet keeps the living renderers as edges report them.
package fleet

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

const most = 10_000

// Fleet is the renderers. Its methods are safe for concurrent use.
type Fleet struct {
	mu        sync.Mutex
	renderers map[string]seen
}

// seen is the latest heartbeat of a renderer and the time of its report.
type seen struct {
	heartbeat renderjob.Heartbeat
	at        time.Time
}

// New makes an empty fleet.
func New() *Fleet { return &Fleet{renderers: map[string]seen{}} }

// Note takes a JSON array of heartbeats.
func (f *Fleet) Note(text string) error {
	var all []renderjob.Heartbeat
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return fmt.Errorf("read an edge's report of renderers: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for _, h := range all {
		if _, known := f.renderers[h.Renderer]; known || len(f.renderers) < most {
			f.renderers[h.Renderer] = seen{h, now}
		}
	}
	return nil
}

// Living returns the living renderers, by name.
func (f *Fleet) Living() (all []renderjob.Heartbeat) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for name, s := range f.renderers {
		if now.Sub(s.at) > lanes.UnreportedFor {
			delete(f.renderers, name)
			continue
		}
		all = append(all, s.heartbeat)
	}
	slices.SortFunc(all, func(a, b renderjob.Heartbeat) int { return cmp.Compare(a.Renderer, b.Renderer) })
	return all
}
