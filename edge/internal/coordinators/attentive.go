package coordinators

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

const (
	// late is the delay of a read's end that shows that this process did not run at that time.
	late = 50 * time.Millisecond
	// glance is the time for which it then reads once more.
	glance = 20 * time.Millisecond
)

var errSilent = fmt.Errorf("the coordinator is silent for %v", lease.Silence)

// attentive reads a connection, and notices its silence. A pause of the edge, on a suspended or overloaded machine, is not
// the coordinator's silence: after it, the edge first reads the bytes that came meanwhile.
type attentive struct {
	conn    net.Conn
	in      io.Reader // the connection, behind bytes that were read before
	suspect func()    // called once the silence has lasted for lease.Suspicion
}

// Read returns errSilent after lease.Silence without a byte.
func (a attentive) Read(p []byte) (int, error) {
	n, err := a.readWithin(lease.Suspicion, p)
	if !silent(n, err) {
		return n, err
	}
	a.suspect()
	if n, err = a.readWithin(lease.Silence-lease.Suspicion, p); silent(n, err) {
		err = errSilent
	}
	return n, err
}

func silent(n int, err error) bool { return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) }

func (a attentive) readWithin(d time.Duration, p []byte) (int, error) {
	for {
		end := time.Now().Add(d)
		_ = a.conn.SetReadDeadline(end)
		n, err := a.in.Read(p)
		if !silent(n, err) || time.Since(end) < late {
			return n, err
		}
		d = glance
	}
}
