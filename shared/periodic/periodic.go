// Package periodic does something again and again until its context ends, and waits
// between tries so that a context that ends cuts the wait short.
//
// Every role uses it for its loops: heartbeats, probes, reports, retries.
package periodic

import (
	"context"
	"time"
)

// Do calls act at once, and then once an interval, until ctx ends. It returns after the
// call that is under way; ticks that pass during a call are dropped, so that slow calls do
// not queue up. The interval is above 0.
func Do(ctx context.Context, interval time.Duration, act func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		act(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// Sleep waits for d. It returns ctx's error, without waiting further, when ctx ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
