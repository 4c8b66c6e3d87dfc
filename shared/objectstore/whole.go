package objectstore

import (
	"bytes"
	"sync/atomic"
)

// Whole is an object in memory until it is closed. It embeds a reader to be an Object.
type Whole struct {
	bytes.Reader
	content  []byte
	giveBack func()
	closed   atomic.Bool
}

// NewWhole makes a Whole. Close calls giveBack.
func NewWhole(content []byte, giveBack func()) *Whole {
	w := &Whole{content: content, giveBack: giveBack}
	w.Reset(content)
	return w
}

// Bytes returns the content. It is valid until Close.
func (w *Whole) Bytes() []byte { return w.content }

// Close gives the memory back.
func (w *Whole) Close() error {
	if w.closed.CompareAndSwap(false, true) {
		w.giveBack()
	}
	return nil
}
