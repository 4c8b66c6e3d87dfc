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

// look is the time for which a read waits before it counts once more that nothing came.
const look = 100 * time.Millisecond

var errSilent = fmt.Errorf("the coordinator is silent for %v", lease.Silence)

// attentive reads a connection, and notices its silence. It counts looks instead of time: an edge that did not run, on a
// paused or overloaded machine, first reads the bytes that came meanwhile.
type attentive struct {
	conn    net.Conn
	in      io.Reader // the connection, behind bytes that were read before
	suspect func()    // called once the silence has lasted for lease.Suspicion
}

// Read returns errSilent after lease.Silence without a byte.
func (a attentive) Read(p []byte) (int, error) {
	for looks := time.Duration(1); ; looks++ {
		_ = a.conn.SetReadDeadline(time.Now().Add(look))
		n, err := a.in.Read(p)
		switch {
		case n > 0 || !errors.Is(err, os.ErrDeadlineExceeded):
			return n, err
		case looks == lease.Silence/look:
			return 0, errSilent
		case looks == lease.Suspicion/look:
			a.suspect()
		}
	}
}
