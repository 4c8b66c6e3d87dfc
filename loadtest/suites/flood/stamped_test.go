package flood

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stamped reads from a connection and knows when the kernel received the bytes, whenever this process gets the processor
// to read them.
type stamped struct {
	conn syscall.RawConn
	more []byte    // memory for the kernel's time
	at   time.Time // when the kernel received the last bytes
}

// stamp asks the kernel for times.
func stamp(conn *net.TCPConn) (*stamped, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &stamped{conn: raw, more: make([]byte, unix.CmsgSpace(16))}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
	return s, errors.Join(err, failed)
}

// Read implements io.Reader.
func (s *stamped) Read(p []byte) (n int, err error) {
	var more int
	var failed error
	err = s.conn.Read(func(fd uintptr) bool {
		for failed = unix.EINTR; failed == unix.EINTR; { //nolint:errorlint // a system call's bare number
			n, more, _, _, failed = unix.Recvmsg(int(fd), p, s.more, 0)
		}
		return failed != unix.EAGAIN //nolint:errorlint // as above
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, s.read(s.more[:more])
}

// read reads the kernel's time.
func (s *stamped) read(more []byte) error {
	s.at = time.Now()
	all, err := unix.ParseSocketControlMessage(more)
	for _, m := range all {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) == 16 {
			s.at = time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return err
}
