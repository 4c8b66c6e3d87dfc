package pace

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// drip is a body that sends some bytes after each pause, until its request ends.
type drip struct {
	ctx   context.Context //nolint:containedctx // io.Reader takes no context
	bytes int
	pause time.Duration
	left  int // bytes to the end
}

func (d *drip) Read(p []byte) (int, error) {
	if d.left <= 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(d.pause):
		n := min(d.bytes, len(p), d.left)
		d.left -= n
		return n, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func (d *drip) Close() error { return nil }

// A body must keep its host's rate; the time of its reader does not count.
func TestABodyMustKeepTheRate(t *testing.T) {
	for name, c := range map[string]struct {
		body   drip
		rate   int64
		reader time.Duration // the reader's pause after each read
		slow   bool
	}{
		"a byte a second":                {body: drip{bytes: 1, pause: time.Second, left: 1000}, rate: 1000, slow: true},
		"just below the rate":            {body: drip{bytes: 900, pause: time.Second, left: 1_000_000}, rate: 1000, slow: true},
		"just above the rate":            {body: drip{bytes: 1100, pause: time.Second, left: 1_000_000}, rate: 1000},
		"one stall after a fast start":   {body: drip{bytes: 1_000_000, pause: Stall + time.Second, left: 3_000_000}, rate: 1000, slow: true},
		"a short body from a slow host":  {body: drip{bytes: 1, pause: time.Second, left: 4}, rate: 1000},
		"a reader that takes its time":   {body: drip{bytes: 1000, pause: time.Millisecond, left: 100_000}, rate: 1000, reader: time.Minute},
		"any rate, and a byte a second":  {body: drip{bytes: 1, pause: time.Second, left: 1000}, rate: 0},
		"nothing before its request end": {body: drip{bytes: 1, pause: time.Hour, left: 1}, rate: 1000, slow: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				var told []error
				c.body.ctx = ctx
				p := New(&c.body, "h", c.rate, cancel, func(err error) { told = append(told, err) })
				var err error
				for err == nil {
					_, err = p.Read(make([]byte, 1<<20))
					time.Sleep(c.reader)
				}
				_ = p.Close()
				if slow := errors.Is(err, objectstore.ErrSlow); slow != c.slow || !slow && !errors.Is(err, io.EOF) {
					t.Errorf("the body ends with %v", err)
				}
				if len(told) != 1 || errors.Is(told[0], objectstore.ErrSlow) != c.slow {
					t.Errorf("the breaker hears %v", told)
				}
			})
		})
	}
}

// dripping is a store whose objects come a byte a second. It embeds the interface for the other methods.
type dripping struct{ objectstore.Store }

func (dripping) Open(ctx context.Context, _ thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	body := &drip{ctx: ctx, bytes: 1, pause: time.Second, left: 1000}
	return objectstore.NewStream(body, 1000, func(int64) (io.ReadCloser, error) { return body, nil }), objectstore.Info{Size: 1000}, nil
}

// An object of a store must keep the rate too.
func TestAnObjectMustKeepTheRate(t *testing.T) {
	for rate, want := range map[int64]error{1000: objectstore.ErrSlow, 0: nil} {
		synctest.Test(t, func(t *testing.T) {
			object, info, err := Store(dripping{}, "the store", rate).Open(t.Context(), thumbnail.Location{Path: "a"})
			if err != nil || info.Size != 1000 {
				t.Fatal(info.Size, err)
			}
			if _, err := io.ReadAll(object); !errors.Is(err, want) {
				t.Errorf("at a rate of %d the object ends with %v, want %v", rate, err, want)
			}
			_ = object.Close()
		})
	}
}
