package cluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// rendering counts the renders under way by the start of their original's name. The renders of evaders last until
// their gate is closed.
type rendering struct {
	mu        sync.Mutex
	now, most map[string]int
	gates     map[string]chan struct{}
}

func (r *rendering) draw(ctx context.Context, s thumbnail.Spec) ([]byte, error) {
	who, _, _ := strings.Cut(s.Original.Name(), "-")
	gate := r.change(who, 1)
	defer r.change(who, -1)
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return sample(ctx, s)
}

func (r *rendering) change(who string, by int) (gate chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now[who] += by
	r.most[who] = max(r.most[who], r.now[who])
	return r.gates[who]
}

func (r *rendering) count(who string) (now, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now[who], r.most[who]
}

// hold makes the renders of originals with a start wait until release is called.
func (r *rendering) hold(who string) (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gate := make(chan struct{})
	r.gates[who] = gate
	return sync.OnceFunc(func() { close(gate) })
}

// trick is a way to ask for more than a client's share. It changes the nth request.
type trick struct {
	untrusted bool // the edge trusts no proxy
	http2     bool // all requests are streams of one connection
	leaves    bool // the client leaves each render that began
	path      func(n int) string
	change    func(n int, r *http.Request)
}

// tricks are the ways in which a client could evade its limit of two renders at once.
func tricks() map[string]trick {
	from := func(address string) func(int, *http.Request) {
		return func(_ int, r *http.Request) { r.Header.Set("X-Forwarded-For", address) }
	}
	header := func(name string, values ...string) func(int, *http.Request) {
		return func(n int, r *http.Request) { r.Header.Set(name, values[n%len(values)]) }
	}
	return map[string]trick{
		"plainly": {},
		"with forged addresses, behind no proxy": {untrusted: true, change: func(n int, r *http.Request) {
			r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", n))
			r.Header.Set("X-Real-Ip", fmt.Sprintf("203.0.113.%d", n))
			r.Header.Set("Forwarded", fmt.Sprintf("for=203.0.113.%d", n))
		}},
		"with forged addresses, behind a proxy": {change: func(n int, r *http.Request) {
			r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d, %s", n, alice))
		}},
		"with a second header of addresses": {change: func(n int, r *http.Request) {
			r.Header["X-Forwarded-For"] = []string{fmt.Sprintf("203.0.113.%d", n), alice}
		}},
		"as a trusted proxy": {change: from(alice + ", 127.0.0.1")},
		"from a network of IPv6": {change: func(n int, r *http.Request) {
			r.Header.Set("X-Forwarded-For", fmt.Sprintf("2001:db8:1:2:%x::%x", n, n+1))
		}},
		"from an address in both protocols": {change: header("X-Forwarded-For", alice, "::ffff:"+alice)},
		"for several formats":               {path: func(int) string { return "/unsafe/60x/eve-0.jpg" }, change: header("Accept", "image/webp", "image/avif", "image/jxl", "image/png", "*/*")},
		"with HEAD":                         {change: func(_ int, r *http.Request) { r.Method = http.MethodHead }},
		"with ranges":                       {change: header("Range", "bytes=0-0", "bytes=1-", "bytes=-1")},
		"conditionally":                     {change: header("If-None-Match", `"a"`, "*")},
		"with queries":                      {change: func(n int, r *http.Request) { r.URL.RawQuery = fmt.Sprint("x=", n) }},
		"over one connection of HTTP/2":     {http2: true},
		"leaving and asking again":          {leaves: true},
		"for sizes of one original":         {path: func(n int) string { return fmt.Sprintf("/unsafe/%dx/eve-0.jpg", 60+n) }},
		"for one file under several names":  {path: func(n int) string { return fmt.Sprintf("/unsafe/60x/eve-%d.jpg?%d", n%4, n) }},
	}
}

const (
	share    = 2  // of a client
	attempts = 12 // of the evader
)

// An evader has no more renders at once than its share, and its requests keep nobody from a free
// slot.
func TestNobodyEvadesPerIP(t *testing.T) {
	t.Parallel()
	for _, untrusted := range []bool{false, true} {
		r := &rendering{now: map[string]int{}, most: map[string]int{}, gates: map[string]chan struct{}{}}
		c := Start(t, Options{Render: r.draw, Settings: func(s *settings.Settings) {
			s.Renderer.Slots, s.Renderer.Batch = 6, 1
			s.Throttle.PerIP.Workers = share
			s.Thumbor.AutoFormats = []string{"avif", "webp"}
			if untrusted {
				s.Edge.TrustedProxies = nil
			}
			waitLong(s)
		}})
		number := 0
		for name, k := range tricks() {
			if number++; k.untrusted == untrusted {
				t.Run(name, func(t *testing.T) { evades(t, c, r, k, fmt.Sprint("eve", number)) })
			}
		}
	}
}

// A client that joins the flights of another one, which then leaves, has its own share beside the renders of the other
// client that have begun, and no more.
func TestNobodyInheritsAShare(t *testing.T) {
	t.Parallel()
	r := &rendering{now: map[string]int{}, most: map[string]int{}, gates: map[string]chan struct{}{}}
	c := Start(t, Options{Render: r.draw, Settings: func(s *settings.Settings) {
		s.Renderer.Slots, s.Renderer.Batch = 6, 1
		s.Throttle.PerIP.Workers = share
		waitLong(s)
	}})
	release := r.hold("eve")
	defer release()
	other, leave := context.WithCancel(t.Context())
	defer leave()
	ask := func(ctx context.Context, client string) (answers []<-chan Answer) {
		for n := range attempts {
			answers = append(answers, c.Go(ctx, c.Edges[0], fmt.Sprintf("/unsafe/60x/eve-%d.jpg", n), client))
		}
		return answers
	}
	waiting := func(all int) func() bool {
		return func() bool { return c.Edges[0].Metric(t, "thumbmill_flight_waiters") == float64(all) }
	}
	for n := range attempts {
		landscape(c, fmt.Sprintf("eve-%d.jpg", n))
	}
	ask(other, bob)
	Eventually(t, "the other client has its share, and waits", func() bool { now, _ := r.count("eve"); return now == share && waiting(attempts)() })
	answers := ask(t.Context(), alice)
	Eventually(t, "the evader has joined", waiting(2*attempts))
	leave()
	Eventually(t, "the evader has its own share", func() bool { now, _ := r.count("eve"); return now == 2*share && waiting(attempts)() })
	release()
	for _, answer := range answers {
		(<-answer).Wants(t, http.StatusOK)
	}
	if _, most := r.count("eve"); most > 2*share {
		t.Errorf("two clients had %d renders at once, want %d", most, 2*share)
	}
}

// evades lets an evader with originals of its own use a trick.
func evades(t *testing.T, c *Cluster, r *rendering, k trick, who string) {
	t.Helper()
	for n := range attempts {
		landscape(c, fmt.Sprintf("%s-%d.jpg", who, n))
	}
	release := r.hold(who)
	defer release()
	asks := k.asker(t, c, who)
	var all sync.WaitGroup
	defer all.Wait()
	for n := range attempts {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		began, _ := r.count(who)
		all.Go(func() { asks(ctx, n) })
		if k.leaves && began < share {
			Eventually(t, "the render begins", func() bool { now, _ := r.count(who); return now > began })
		}
		if k.leaves {
			leave()
		}
	}
	Eventually(t, "the evader has its share, or waits for its own render", func() bool {
		now, _ := r.count(who)
		return now == share || k.path != nil && now > 0
	})
	if !k.untrusted { // else bob is the same client
		landscape(c, who+"s-bob.jpg")
		c.Get(t.Context(), c.Edges[0], "/unsafe/60x/"+who+"s-bob.jpg", bob).Wants(t, 200)
	}
	release()
	Eventually(t, "nothing is held", func() bool { return c.Held(throttle.PerIP) == 0 && c.Waiting(throttle.PerIP) == 0 })
	if _, most := r.count(who); most > share {
		t.Errorf("the evader had %d renders at once, want %d", most, share)
	}
}

// asker returns a function that sends the evader's nth request, and drops the answer.
func (k trick) asker(t *testing.T, c *Cluster, who string) func(ctx context.Context, n int) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: !k.http2}
	if k.http2 {
		transport.Protocols = &http.Protocols{}
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return func(ctx context.Context, n int) {
		path := fmt.Sprintf("/unsafe/60x/%s-%d.jpg", who, n)
		if k.path != nil {
			path = strings.ReplaceAll(k.path(n), "eve-", who+"-")
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Edges[0].Addr()+path, nil)
		if err != nil {
			t.Error(err)
			return
		}
		request.Header.Set("X-Forwarded-For", alice)
		if k.change != nil {
			k.change(n, request)
		}
		if response, err := transport.RoundTrip(request); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	}
}
