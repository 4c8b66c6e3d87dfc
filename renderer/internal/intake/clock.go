package intake

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// clock tells the NATS server's time, so that the age of a job, which the server
// stamps, is right whatever this host's clock says.
type clock struct{ offset atomic.Int64 }

// set takes the server's time from an answer that was asked for at began.
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

// calibrate asks once.
func (c *clock) calibrate(ctx context.Context, consumer jetstream.Consumer) error {
	began := time.Now()
	info, err := consumer.Info(ctx)
	if err == nil {
		c.set(info, began)
	}
	return err
}
