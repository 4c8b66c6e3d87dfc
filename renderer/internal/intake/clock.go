package intake

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/shared/queue"
)

// clock knows the NATS server's time. The server stamps jobs, so the age of a job is right even if this host's clock
// is wrong, or steps: the monotonic clock counts the time since the server told its own.
type clock struct{ told atomic.Pointer[reading] }

// reading is the server's time at a moment of this host.
type reading struct{ server, here time.Time }

// set takes the server's time from the answer to a request that was sent at began. It ignores the zero time.
func (c *clock) set(server, began time.Time) {
	if server.IsZero() {
		return
	}
	c.told.Store(&reading{server: server, here: began.Add(time.Since(began) / 2)})
}

func (c *clock) age(stamp time.Time) time.Duration {
	r := c.told.Load()
	if r == nil {
		return max(0, time.Since(stamp))
	}
	return max(0, r.server.Sub(stamp)+time.Since(r.here))
}

// calibrate sets the clock by the time in the server's answer about the stream. For an answer about a consumer, which has
// the time too, the server would look at all pulls that wait there, one of each idle renderer.
func (c *clock) calibrate(ctx context.Context, js jetstream.JetStream) error {
	began := time.Now()
	stream, err := js.Stream(ctx, queue.Stream)
	if err == nil {
		c.set(stream.CachedInfo().TimeStamp, began)
	}
	return err
}
