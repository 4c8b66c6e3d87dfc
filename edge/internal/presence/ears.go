package presence

import (
	"sync"
	"sync/atomic"
	"time"
)

// ears knows whether an edge hears the messages on the queue: it does while it hears itself. The
// methods are safe for concurrent use.
type ears struct {
	lost  func() // called when the edge may have missed a message
	began time.Time
	heard atomic.Int64 // nanoseconds from began to the last message of the edge itself; 0: deaf

	deciding sync.Mutex // held while heard changes
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
		e.lost() // the edge may have missed a purge while it was deaf
	}
	e.heard.Store(max(1, int64(time.Since(e.began)))) // 0 means deaf
}

// deafen makes the edge deaf until it hears itself again, and makes its memory void.
func (e *ears) deafen() {
	e.deciding.Lock()
	defer e.deciding.Unlock()
	e.heard.Store(0)
	e.lost()
}
