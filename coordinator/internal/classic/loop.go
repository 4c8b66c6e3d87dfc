package classic

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// loop waits for all connections at once, with its own epoll instance. Go's scheduler waits for that
// instance, so no thread blocks.
type loop struct {
	server *Server
	file   *os.File
	fd     int
	raw    syscall.RawConn
	events [128]unix.EpollEvent
	ready  int
	buffer [4096]byte

	mu       sync.Mutex
	sessions map[int32]*session // by descriptor
	closed   bool
}

func newLoop(s *Server) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fd, true) // Go's scheduler takes only non-blocking descriptors
	}
	if err != nil {
		return nil, fmt.Errorf("make an epoll instance: %w", err)
	}
	l := &loop{server: s, file: os.NewFile(uintptr(fd), "epoll"), fd: fd, sessions: map[int32]*session{}}
	l.raw, err = l.file.SyscallConn()
	return l, err
}

// run serves connections until close.
func (l *loop) run() {
	for l.raw.Read(l.poll) == nil {
		for _, event := range l.events[:l.ready] {
			if c := l.session(event.Fd); c != nil {
				l.serve(c, event.Events)
			}
		}
	}
	for _, c := range l.sessions {
		c.end()
	}
	clear(l.sessions)
}

// looks is the number of looks for events before the loop lets the scheduler wait, which costs two more
// system calls.
const looks = 8

func (l *loop) poll(fd uintptr) bool {
	var n int
	var err error
	for look := 0; n == 0 && err == nil && look < looks; look++ {
		n, err = unix.EpollWait(int(fd), l.events[:], 0)
	}
	l.ready = max(n, 0)
	return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
}

func (l *loop) session(fd int32) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sessions[fd]
}

func (l *loop) serve(c *session, events uint32) {
	if events&writable != 0 {
		c.out.flush()
		return
	}
	n, err := unix.Read(c.out.fd, l.buffer[:])
	switch {
	case n > 0:
		c.answerLines(l.buffer[:n])
	case err == unix.EAGAIN || err == unix.EINTR:
	default:
		l.mu.Lock()
		delete(l.sessions, int32(c.out.fd)) //nolint:gosec // a descriptor
		l.mu.Unlock()
		c.end()
	}
}

// close ends run, which ends all connections.
func (l *loop) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	_ = l.file.Close() // a second call finds it closed
}

// Serve takes a connection over, with the bytes that in has read already, and returns at once. It calls
// ended at the end of the connection.
func (s *Server) Serve(conn net.Conn, in *bufio.Reader, ended func()) {
	fd, err := descriptor(conn)
	early, _ := in.Peek(in.Buffered())
	_ = conn.Close() // fd is another descriptor of the same connection
	if err != nil {
		ended()
		return
	}
	s.loop.add(s.open(fd, ended), early)
}

// descriptor returns a duplicate descriptor of a connection, which Go's scheduler does not watch.
func descriptor(conn net.Conn) (fd int, err error) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return -1, errors.New("the connection has no file descriptor")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	if controlErr := raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	}); controlErr != nil {
		return -1, controlErr
	}
	return fd, err
}

// add answers the early bytes, and then gives the session to the loop.
func (l *loop) add(c *session, early []byte) {
	if len(early) > 0 {
		c.answerLines(early)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	event := unix.EpollEvent{Events: c.out.awaited(), Fd: int32(c.out.fd)} //nolint:gosec // a descriptor
	if l.closed || unix.EpollCtl(l.fd, unix.EPOLL_CTL_ADD, c.out.fd, &event) != nil {
		c.end()
		return
	}
	l.sessions[int32(c.out.fd)] = c //nolint:gosec // a descriptor
}
