package coordinators

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// A silent coordinator is first suspected and then gone. Each byte begins a new silence.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _, _ = near.Close(), far.Close() }()
		began, suspected := time.Now(), []time.Duration{}
		a := attentive{near, near, func() { suspected = append(suspected, time.Since(began)) }}
		go func() {
			time.Sleep(lease.Silence - time.Millisecond)
			_, _ = far.Write([]byte("x"))
		}()
		if n, err := a.Read(make([]byte, 2)); n != 1 || err != nil || len(suspected) != 1 || suspected[0] != lease.Suspicion {
			t.Errorf("%d bytes, %v, suspected after %v", n, err, suspected)
		}
		spoke := time.Now()
		if _, err := a.Read(make([]byte, 2)); !errors.Is(err, errSilent) || time.Since(spoke) != lease.Silence || len(suspected) != 2 {
			t.Errorf("%v after %v, suspected after %v", err, time.Since(spoke), suspected)
		}
	})
}

// paused is a connection whose process stands still during the first reads, until long after their deadlines.
type paused struct {
	net.Conn // only for the interface
	reads    int
}

func (c *paused) SetReadDeadline(time.Time) error { return nil }

func (c *paused) Read(p []byte) (int, error) {
	if c.reads--; c.reads >= 0 {
		time.Sleep(time.Minute) // the pause
		return 0, os.ErrDeadlineExceeded
	}
	return copy(p, "x"), nil
}

// An edge that was paused reads the bytes that came meanwhile, before it counts its coordinator as silent.
func TestAPausedEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &paused{reads: 2}
		a := attentive{c, c, func() { t.Error("the coordinator is suspected") }}
		if n, err := a.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}
