package lease

import (
	"net"
	"sync"
	"time"
)

const (
	// backlog bounds what the other side leaves unread, in bytes. Frames are small,
	// so that only who does not read gets there.
	backlog      = 4 << 20
	writeTimeout = 5 * time.Second
)

// Outbox collects frames for a connection; its writer sends all that there are at
// once. When the other side does not read, the connection is closed.
type Outbox struct {
	conn   net.Conn
	signal chan struct{}

	mu      sync.Mutex
	waiting []byte
	ended   bool
}

// NewOutbox makes an outbox, whose owner runs Write.
func NewOutbox(conn net.Conn) *Outbox {
	return &Outbox{conn: conn, signal: make(chan struct{}, 1)}
}

// Add adds what add appends. It does not wait, and wakes nobody.
func (o *Outbox) Add(add func([]byte) []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) > backlog {
		_ = o.conn.Close()
		return
	}
	o.waiting = add(o.waiting)
}

// Wake has the writer send what was added.
func (o *Outbox) Wake() {
	select {
	case o.signal <- struct{}{}:
	default: // it is awake
	}
}

// End ends the writer.
func (o *Outbox) End() {
	o.mu.Lock()
	o.ended = true
	o.mu.Unlock()
	o.Wake()
}

// Write sends until End is called.
func (o *Outbox) Write() {
	var spare []byte
	for range o.signal {
		o.mu.Lock()
		text, ended := o.waiting, o.ended
		o.waiting = spare[:0]
		o.mu.Unlock()
		if ended {
			return
		}
		if len(text) > 0 {
			_ = o.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			if _, err := o.conn.Write(text); err != nil {
				_ = o.conn.Close() // the reader ends, and its owner calls End
			}
		}
		spare = text
	}
}
