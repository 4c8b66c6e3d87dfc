package classic

import (
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// backlog is how many bytes of answers are put together before they are sent.
	backlog      = 16 << 10
	writeTimeout = 5 * time.Second
)

// outbox sends answers. Whoever flushes it writes as much as the kernel takes at
// once and never waits: another client's release must not wait for a client that
// does not read. What is left is written by a goroutine of its own, which gives
// up after writeTimeout and closes the connection.
type outbox struct {
	conn   net.Conn
	raw    syscall.RawConn // nil: every write is left to the goroutine
	failed func()
	try    func(fd uintptr) bool // bound once, so that a write allocates nothing

	mu      sync.Mutex
	idle    *sync.Cond // no goroutine writes
	waiting []byte
	spare   []byte
	sent    int
	err     error
	busy    bool // a goroutine writes
	gone    bool
}

func newOutbox(conn net.Conn, failed func()) *outbox {
	o := &outbox{conn: conn, failed: failed}
	o.idle = sync.NewCond(&o.mu)
	if c, ok := conn.(syscall.Conn); ok {
		o.raw, _ = c.SyscallConn()
	}
	o.try = func(fd uintptr) bool {
		o.sent, o.err = syscall.Write(int(fd), o.waiting)
		return true
	}
	return o
}

// add puts an answer at the end.
func (o *outbox) add(answer string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(o.waiting, answer...)
}

func (o *outbox) pending() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.waiting)
}

// flush sends what was added, without waiting.
func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy || o.gone || len(o.waiting) == 0 {
		return
	}
	o.sent, o.err = 0, syscall.EAGAIN
	if o.raw != nil {
		if err := o.raw.Write(o.try); err != nil {
			o.err = err
		}
	}
	o.waiting = o.waiting[:copy(o.waiting, o.waiting[max(o.sent, 0):])]
	if o.err != nil && o.err != syscall.EAGAIN && o.err != syscall.EINTR { //nolint:errorlint // from the system call itself
		o.fail()
		return
	}
	if len(o.waiting) > 0 {
		o.busy = true
		go o.write()
	}
}

// write waits for a client that reads slowly. The session waits for its end.
func (o *outbox) write() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.waiting) > 0 && !o.gone {
		text := o.waiting
		o.waiting, o.spare = o.spare[:0], text
		o.mu.Unlock()
		_ = o.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := o.conn.Write(text)
		o.mu.Lock()
		if err != nil {
			o.fail()
		}
	}
	o.busy = false
	o.idle.Broadcast()
}

// fail gives the connection up: its locks shall not stay with who does not listen.
func (o *outbox) fail() {
	if !o.gone {
		o.gone = true
		o.failed()
		_ = o.conn.Close()
	}
	o.waiting = nil
}

// drained waits until no goroutine writes, and reports whether the connection is
// of use still: a client gets no further answer before it has read the last ones.
func (o *outbox) drained() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.busy {
		o.idle.Wait()
	}
	return !o.gone
}

// close sends nothing more, and waits for the goroutine.
func (o *outbox) close() {
	o.mu.Lock()
	o.gone = true
	o.mu.Unlock()
	_ = o.conn.Close()
	o.drained()
}
