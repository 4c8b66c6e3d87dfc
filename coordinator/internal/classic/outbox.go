package classic

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// writeTimeout is how long a client may leave its answers unread when the kernel
// has no room for more; then it is disconnected.
const writeTimeout = 5 * time.Second

// A connection is read, or waited for until the kernel takes its answers.
const (
	readable = unix.EPOLLIN
	writable = unix.EPOLLOUT
)

// outbox sends answers. Whoever flushes it writes what the kernel takes at once
// and never waits: another client's release must not wait for one that does not
// read. While something is left, the connection is not read either, and the loop
// flushes when there is room.
type outbox struct {
	fd, epoll int
	failed    func()
	ended     func()

	mu      sync.Mutex
	waiting []byte
	stuck   *time.Timer // while something is left
	closed  bool
}

// add puts an answer at the end.
func (o *outbox) add(answer string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(o.waiting, answer...)
}

// flush sends what was added.
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

// await makes the loop wait for such events alone.
func (o *outbox) await(events uint32) {
	event := unix.EpollEvent{Events: events, Fd: int32(o.fd)}    //nolint:gosec // a descriptor
	_ = unix.EpollCtl(o.epoll, unix.EPOLL_CTL_MOD, o.fd, &event) // fails when the loop ended
}

// awaited is what the loop waits for.
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
	o.await(readable) // and what it reads is the end
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
