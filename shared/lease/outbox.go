package lease

import (
	"net"
	"sync"
	"time"
)

const (
	// backlog bounds the unread frames, in bytes. Frames are small: only a side that does not read
	// reaches it.
	backlog = 4 << 20
	// spare is the number of unread bytes from which Offer drops frames: a coordinator that stalls keeps room for
	// requests and releases.
	spare = 256 << 10
	// crowd is the number of unread bytes at which Offer wakes the writer.
	crowd        = 16 << 10
	writeTimeout = 5 * time.Second
)

// Outbox collects frames for a connection. Its writer sends all pending frames at once. If the other
// side does not read, the outbox closes the connection.
type Outbox struct {
	conn   net.Conn
	signal chan struct{}

	mu      sync.Mutex
	waiting []byte
	ended   bool
	sent    time.Time // when the writer last took frames
}

// NewOutbox makes an outbox. Its owner must run Write.
func NewOutbox(conn net.Conn) *Outbox {
	return &Outbox{conn: conn, signal: make(chan struct{}, 1), sent: time.Now()}
}

// Add appends a frame with the function add. It neither waits nor wakes the writer.
func (o *Outbox) Add(add func([]byte) []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) > backlog {
		_ = o.conn.Close()
		return
	}
	o.waiting = add(o.waiting)
}

// Offer is Add for a frame that may be late or lost. The frame leaves with the next one that wakes the writer, such as a
// beat, or with many others: to send each alone costs more than to make it. Offer drops the frame and returns false while
// very many are unread.
func (o *Outbox) Offer(add func([]byte) []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) > spare {
		return false
	}
	if o.waiting = add(o.waiting); len(o.waiting) > crowd {
		o.Wake()
	}
	return true
}

// BeatAfter sends a beat if no frame waits, and the writer has taken none for longer than quiet.
func (o *Outbox) BeatAfter(quiet time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 && time.Since(o.sent) > quiet {
		o.waiting = AppendBeat(o.waiting)
		o.Wake()
	}
}

// Wake tells the writer to send the added frames.
func (o *Outbox) Wake() {
	select {
	case o.signal <- struct{}{}:
	default: // the writer is awake already
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
		o.waiting, o.sent = spare[:0], time.Now()
		o.mu.Unlock()
		if ended {
			return
		}
		if len(text) > 0 {
			_ = o.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			if _, err := o.conn.Write(text); err != nil {
				_ = o.conn.Close() // the reader then ends, and its owner calls End
			}
		}
		spare = text
	}
}
