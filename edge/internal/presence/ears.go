package presence

import (
	"sync"
	"sync/atomic"
	"time"
)

// ears know whether an edge hears, which is so while it hears itself. Their methods are safe
// for concurrent use.
type ears struct {
	lost  func() // called when a message may have been missed
	began time.Time
	heard atomic.Int64 // when the edge heard itself last, since began; 0 = it is deaf

	deciding sync.Mutex // held while it is decided whether the edge hears
}

func newEars(lost func()) *ears { return &ears{lost: lost, began: time.Now()} }

func (e *ears) hear() bool {
	heard := e.heard.Load()
	return heard > 0 && time.Since(e.began)-time.Duration(heard) < DeafAfter
}

func (e *ears) heardItself() {
	e.deciding.Lock()
	defer e.deciding.Unlock()
	if !e.hear() {
		e.lost() // what came in between may be one that was missed
	}
	e.heard.Store(max(1, int64(time.Since(e.began)))) // 0 would be deaf
}

// deafen makes what is remembered void, until the edge hears itself again.
func (e *ears) deafen() {
	e.deciding.Lock()
	defer e.deciding.Unlock()
	e.heard.Store(0)
	e.lost()
}
