package intake

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// clock knows the difference between the NATS server's time and this host's time. The server
// stamps jobs, so the age of a job is right even if this host's clock is wrong.
type clock struct{ offset atomic.Int64 }

// set takes the server's time from the answer to a request that was sent at began.
func (c *clock) set(info *jetstream.ConsumerInfo, began time.Time) {
	if info.TimeStamp.IsZero() {
		return
	}
	middle := began.Add(time.Since(began) / 2)
	c.offset.Store(int64(info.TimeStamp.Sub(middle)))
}

func (c *clock) age(stamp time.Time) time.Duration {
	return max(0, time.Since(stamp)+time.Duration(c.offset.Load()))
}

// calibrate asks the server for its time once, and sets the clock.
func (c *clock) calibrate(ctx context.Context, consumer jetstream.Consumer) error {
	began := time.Now()
	info, err := consumer.Info(ctx)
	if err == nil {
		c.set(info, began)
	}
	return err
}
