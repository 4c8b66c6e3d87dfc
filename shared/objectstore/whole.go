package objectstore

import (
	"bytes"
	"sync/atomic"
)

// Whole is an object that is in memory until it is closed. It embeds the reader that makes
// it an Object.
type Whole struct {
	bytes.Reader
	content  []byte
	giveBack func()
	closed   atomic.Bool
}

// NewWhole makes one; giveBack is called when it is closed.
func NewWhole(content []byte, giveBack func()) *Whole {
	w := &Whole{content: content, giveBack: giveBack}
	w.Reset(content)
	return w
}

// Bytes is the content, until Close.
func (w *Whole) Bytes() []byte { return w.content }

// Close gives the memory back.
func (w *Whole) Close() error {
	if w.closed.CompareAndSwap(false, true) {
		w.giveBack()
	}
	return nil
}
