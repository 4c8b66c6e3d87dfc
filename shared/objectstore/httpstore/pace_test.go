package httpstore

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
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
		"one stall after a fast start":   {body: drip{bytes: 1_000_000, pause: stall + time.Second, left: 3_000_000}, rate: 1000, slow: true},
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
				p := &paced{body: &c.body, host: "h", rate: c.rate, credit: stall, cancel: cancel, end: func(err error) { told = append(told, err) }}
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

// After three slow bodies in a row a host gets no further requests; other hosts do.
func TestABreakerCountsSlowBodies(t *testing.T) {
	gets := make(chan string, 100)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gets <- r.Method
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(slow.Close)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "picture") }))
	t.Cleanup(other.Close)
	hosts := []string{}
	for _, base := range []string{slow.URL, other.URL} {
		u, _ := url.Parse(base)
		hosts = append(hosts, u.Host)
	}
	s := newStore(t, storeconfig.Bucket{Hosts: hosts, Allow: []string{"127.0.0.0/8"}})
	s.minRate = 1 << 20
	for range slowBodies {
		response, err := s.askBody(t.Context(), at(slow.URL+"/a.jpg"), nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.(*paced).credit = time.Millisecond // the test does not wait for stall
		if _, err := io.ReadAll(response.Body); !errors.Is(err, objectstore.ErrSlow) {
			t.Errorf("a slow body: %v", err)
		}
		_ = response.Body.Close()
	}
	if _, _, err := s.Open(t.Context(), at(slow.URL+"/a.jpg")); !errors.Is(err, objectstore.ErrSlow) || len(gets) != slowBodies {
		t.Errorf("after %d slow bodies: %v; the host got %d requests", slowBodies, err, len(gets))
	}
	if body, _, err := read(t, s, other.URL+"/a.jpg"); body != "picture" || err != nil {
		t.Errorf("another host: %q, %v", body, err)
	}
}
