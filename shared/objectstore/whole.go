package objectstore

import (
	"bytes"
	"sync"
)

// Whole is an object that is in memory until it is closed.
type Whole struct {
	*bytes.Reader
	content []byte
	release func()
}

// NewWhole makes one; release is called when it is closed.
func NewWhole(content []byte, release func()) *Whole {
	return &Whole{bytes.NewReader(content), content, sync.OnceFunc(release)}
}

// Bytes is the content, until Close.
func (w *Whole) Bytes() []byte { return w.content }

// Close gives the memory back.
func (w *Whole) Close() error { w.release(); return nil }
