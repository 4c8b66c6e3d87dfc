package classic

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// writeTimeout bounds the time for which a client may leave answers unread while the kernel's buffer is
// full. After it, the server disconnects the client.
const writeTimeout = 5 * time.Second

// The loop waits until it can read a connection, or until the kernel takes more answers.
const (
	readable = unix.EPOLLIN
	writable = unix.EPOLLOUT
)

// outbox sends answers. A flush writes as much as the kernel takes at once and never waits: another
// client's release must not wait for a client that does not read. While answers are left, the loop does
// not read the connection, and flushes when the kernel has room.
type outbox struct {
	fd, epoll int
	failed    func()
	ended     func()

	mu      sync.Mutex
	waiting []byte
	stuck   *time.Timer // set while answers are left
	closed  bool
}

// add appends an answer.
func (o *outbox) add(answer string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(o.waiting, answer...)
}

// flush sends the added answers.
func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.waiting) == 0 {
		return
	}
	n, err := unix.Write(o.fd, o.waiting)
	o.waiting = o.waiting[:copy(o.waiting, o.waiting[max(n, 0):])]
	switch {
	case err != nil && err != unix.EAGAIN && err != unix.EINTR:
		o.waiting = nil
		o.fail()
	case len(o.waiting) == 0 && o.stuck != nil:
		o.stuck.Stop()
		o.stuck = nil
		o.await(readable)
	case len(o.waiting) > 0 && o.stuck == nil:
		o.stuck = time.AfterFunc(writeTimeout, o.giveUp)
		o.await(writable)
	}
}

// await makes the loop wait only for the given events.
func (o *outbox) await(events uint32) {
	event := unix.EpollEvent{Events: events, Fd: int32(o.fd)}    //nolint:gosec // a descriptor
	_ = unix.EpollCtl(o.epoll, unix.EPOLL_CTL_MOD, o.fd, &event) // fails after the end of the loop
}

// awaited returns the events that the loop must wait for.
func (o *outbox) awaited() uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stuck != nil {
		return writable
	}
	return readable
}

// fail makes the loop end the session: a client that does not listen keeps no locks.
func (o *outbox) fail() {
	o.failed()
	_ = unix.Shutdown(o.fd, unix.SHUT_RDWR)
	o.await(readable) // the loop then reads the end of the connection
}

func (o *outbox) giveUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed && o.stuck != nil {
		o.fail()
	}
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.stuck != nil {
		o.stuck.Stop()
	}
	_ = unix.Close(o.fd)
	o.ended()
}
