package presence

import (
	"slices"
	"sync"
	"time"
)

const (
	// liveFor is the time for which an edge counts as living after its last message.
	liveFor = 2 * DeafAfter
	// vanishedFor is the time for which reports name a silent edge that said no farewell, after its
	// last message. The silent edge may still run, cut off from this edge.
	vanishedFor = 5 * time.Minute
)

// edges has the edges that this edge heard. The methods are safe for concurrent use.
type edges struct {
	mu    sync.Mutex
	heard map[string]time.Time // the time of the last message, by the edge's name
}

func newEdges() *edges { return &edges{heard: map[string]time.Time{}} }

// note notes a message of an edge; with leaves, the edge says farewell.
func (e *edges) note(name string, leaves bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if leaves {
		delete(e.heard, name)
	} else {
		e.heard[name] = time.Now()
	}
}

// list returns the names of the living edges and of the edges that fell silent without a farewell,
// each sorted.
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
