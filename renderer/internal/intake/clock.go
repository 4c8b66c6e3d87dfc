package intake

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// clock knows the NATS server's time. The server stamps jobs, so the age of a job is right even if this host's clock
// is wrong, or steps: the monotonic clock counts the time since the server told its own.
type clock struct{ told atomic.Pointer[reading] }

// reading is the server's time at a moment of this host.
type reading struct{ server, here time.Time }

// set takes the server's time from the answer to a request that was sent at began.
func (c *clock) set(info *jetstream.ConsumerInfo, began time.Time) {
	if info.TimeStamp.IsZero() {
		return
	}
	c.told.Store(&reading{server: info.TimeStamp, here: began.Add(time.Since(began) / 2)})
}

func (c *clock) age(stamp time.Time) time.Duration {
	r := c.told.Load()
	if r == nil {
		return max(0, time.Since(stamp))
	}
	return max(0, r.server.Sub(stamp)+time.Since(r.here))
}

// calibrate sets the clock by the time in the server's answer about one consumer.
func (c *clock) calibrate(ctx context.Context, js jetstream.JetStream) error {
	began := time.Now()
	consumer, err := js.Consumer(ctx, queue.Stream, renderjob.LaneStandard.Consumer())
	if err == nil {
		c.set(consumer.CachedInfo(), began)
	}
	return err
}
