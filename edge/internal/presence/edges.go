package presence

import (
	"slices"
	"sync"
	"time"
)

const (
	// liveFor is how long an edge counts as living after it was heard.
	liveFor = 2 * DeafAfter
	// vanishedFor is how long an edge is told of that is no longer heard and did not leave: it
	// may be cut off, and not dead.
	vanishedFor = 5 * time.Minute
)

// edges are those that were heard, by name. Their methods are safe for concurrent use.
type edges struct {
	mu    sync.Mutex
	heard map[string]time.Time // when each was last
}

func newEdges() *edges { return &edges{heard: map[string]time.Time{}} }

// note takes that an edge lives, or leaves.
func (e *edges) note(name string, leaves bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if leaves {
		delete(e.heard, name)
	} else {
		e.heard[name] = time.Now()
	}
}

// list gives the names of edges in their order.
func (e *edges) list() (live, vanished []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, at := range e.heard {
		switch silent := time.Since(at); {
		case silent > vanishedFor:
			delete(e.heard, name)
		case silent > liveFor:
			vanished = append(vanished, name)
		default:
			live = append(live, name)
		}
	}
	slices.Sort(live)
	slices.Sort(vanished)
	return live, vanished
}
