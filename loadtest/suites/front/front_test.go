package front

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

// edges are two fake edges. They answer alike unless a test changes one.
type edges struct {
	mu      sync.Mutex
	servers [2]*httptest.Server
	asked   map[string]int // by path, without health checks
	now     int            // requests in progress
	most    int            // most requests at once
	gone    [2]bool        // edges that drop each connection
	failing int            // status that both answer instead; 0 means the usual answer
	held    chan struct{}  // until it is closed, some requests wait
	slow    chan struct{}  // the same for other requests
	full    barrier        // of requests that are refused slowly
}

func startEdges(t *testing.T) *edges {
	t.Helper()
	e := &edges{asked: map[string]int{}, held: make(chan struct{}), slow: make(chan struct{}), full: barrier{missing: 4, met: make(chan struct{})}}
	for i := range e.servers {
		e.servers[i] = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.answer(i, w, r) }))
		t.Cleanup(e.servers[i].Close)
	}
	return e
}

func (e *edges) addresses() (all [2]string) {
	for i, s := range e.servers {
		all[i] = s.Listener.Addr().String()
	}
	return all
}

// barrier releases requests when enough have met, or after meetWithin.
type barrier struct {
	mu      sync.Mutex
	missing int
	met     chan struct{}
}

const meetWithin = 10 * time.Second // several times the longest wait that a front imposes

func (b *barrier) meet(ctx context.Context) {
	b.mu.Lock()
	if b.missing--; b.missing == 0 {
		close(b.met)
	}
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, meetWithin)
	defer cancel()
	select {
	case <-b.met:
	case <-ctx.Done():
	}
}

// set changes the behaviour of the edges.
func (e *edges) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

func (e *edges) count(path string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked[path]
}

// note counts a request, and returns the edges' behaviour for it.
func (e *edges) note(i int, path string) (nth, failing int, gone bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now++
	if path != "/healthcheck" {
		e.asked[path]++
		e.most = max(e.most, e.now)
	}
	return e.asked[path], e.failing, e.gone[i]
}

// answer answers by the first letters of the path.
func (e *edges) answer(i int, w http.ResponseWriter, r *http.Request) {
	nth, failing, gone := e.note(i, r.URL.Path)
	defer e.set(func() { e.now-- })
	if gone {
		panic(http.ErrAbortHandler)
	}
	body, status, header := r.URL.Path, http.StatusOK, w.Header()
	header.Set("Cache-Control", "public, max-age=60, stale-if-error=3600")
	header.Set("Xkey", "original")
	switch name := strings.TrimPrefix(r.URL.Path, "/"); {
	case strings.HasPrefix(name, "healthcheck"): // a front that finds an edge ill does not ask it
		header.Set("Cache-Control", "no-store")
	case failing != 0:
		status = failing
		header.Set("Cache-Control", "no-store")
	case strings.HasPrefix(name, "slow"):
		<-e.slow
	case strings.HasPrefix(name, "held"):
		<-e.held
	case strings.HasPrefix(name, "absent"):
		status = http.StatusNotFound
		header.Set("Cache-Control", "public, max-age=600")
	case strings.HasPrefix(name, "refused"):
		status = http.StatusTooManyRequests
		header.Set("Cache-Control", "private, no-store")
		header.Set("Retry-After", "1")
	case strings.HasPrefix(name, "full"):
		if name == "full-slowly" {
			e.full.meet(r.Context())
		}
		status = http.StatusServiceUnavailable
		header.Set("Cache-Control", "no-store")
		header.Set("Retry-After", "1")
	case strings.HasPrefix(name, "unreachable") && nth == 1:
		status = http.StatusBadGateway
		header.Set("Cache-Control", "no-store")
	case strings.HasPrefix(name, "short"):
		header.Set("Cache-Control", "public, max-age=1, stale-if-error=3600")
		body += fmt.Sprint(nth)
	case strings.HasPrefix(name, "format"):
		header.Set("Vary", "Accept")
		body = r.Header.Get("Accept")
	case strings.HasPrefix(name, "origin"):
		header.Set("Vary", "Origin")
	case r.Method == http.MethodPost:
		header.Set("Cache-Control", "no-store")
		text, _ := io.ReadAll(r.Body)
		body = string(text)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

type answer struct {
	status int
	body   string
}

func get(t *testing.T, url, accept string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	return do(t, request)
}

func do(t *testing.T, request *http.Request) answer {
	t.Helper()
	response, err := (&http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{response.StatusCode, string(text)}
}

func TestNginx(t *testing.T) { suite(t, servers.Nginx) }

// from returns a client with the given address.
func from(t *testing.T, address string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Timeout: 20 * time.Second, Transport: transport}
}

// status returns the status of an answer, or 0 without an answer.
func status(c *http.Client, url string) int {
	response, err := c.Get(url)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode
}

// One address has a limit of requests at once; another address has its own.
func TestNginxLimitsRequestsAtOnce(t *testing.T) {
	e := startEdges(t)
	front := servers.Nginx(t, e.addresses())
	greedy, refused := from(t, "127.0.0.2"), make(chan int, 501)
	var all sync.WaitGroup
	for i := range cap(refused) {
		all.Go(func() {
			if got := status(greedy, fmt.Sprint(front, "/held", i)); got != 200 {
				refused <- got
			}
		})
	}
	if got := <-refused; got != 429 {
		t.Errorf("one too many: %d", got)
	}
	if got := status(from(t, "127.0.0.3"), front+"/another"); got != 200 {
		t.Errorf("the other address: %d", got)
	}
	close(e.held)
	all.Wait()
	if len(refused) > 0 {
		t.Errorf("%d more requests than one were refused, %d", len(refused), <-refused)
	}
}

// One address has a limit of requests per second.
func TestNginxLimitsRequestsASecond(t *testing.T) {
	front := servers.Nginx(t, startEdges(t).addresses())
	var (
		all     sync.WaitGroup
		refused atomic.Bool
	)
	greedy := from(t, "127.0.0.2")
	for range 8 {
		all.Go(func() {
			for i := 0; i < 5000 && !refused.Load(); i++ {
				if got := status(greedy, front+"/one"); got == 429 {
					refused.Store(true)
				} else if got != 200 {
					t.Errorf("%d", got)
					return
				}
			}
		})
	}
	all.Wait()
	if !refused.Load() {
		t.Error("none of 40,000 requests was refused")
	}
	if got := status(from(t, "127.0.0.3"), front+"/one"); got != 200 {
		t.Errorf("the other address: %d", got)
	}
}

func TestVarnish(t *testing.T) { suite(t, servers.Varnish) }

func suite(t *testing.T, start func(testing.TB, [2]string) string) {
	e := startEdges(t)
	front := start(t, e.addresses())
	for _, one := range []struct {
		name  string
		check func(*testing.T, *edges, string)
	}{
		{"equal requests are asked once", coalesces},
		{"a 404 is cached", keepsAbsence},
		{"a refusal is not cached or repeated", keepsNoRefusal},
		{"no request waits for another's refusal", refusesTogether},
		{"another edge is asked if one cannot reach the store", asksAnother},
		{"formats are kept apart", varies},
		{"sites are kept apart", keepsSites},
		{"only a query that changes the answer makes a copy", keysOnPath},
		{"a flood makes few copies", floods},
		{"a POST reaches an edge", posts},
		{"an old picture is served while edges fail", stale},
		{"a dead edge fails no request", gone},
	} {
		t.Run(one.name, func(t *testing.T) { one.check(t, e, front) })
	}
}

func coalesces(t *testing.T, e *edges, front string) {
	var group, sent sync.WaitGroup
	for range 30 {
		sent.Add(1)
		group.Go(func() {
			written := httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent.Done() }}
			request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &written), http.MethodGet, front+"/slow", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if a := do(t, request); a.status != 200 || a.body != "/slow" {
				t.Errorf("%+v", a)
			}
		})
	}
	sent.Wait()
	close(e.slow) // at once: nginx lets the others wait only one second
	group.Wait()
	if n := e.count("/slow"); n != 1 {
		t.Errorf("edges were asked %d times", n)
	}
}

func keepsAbsence(t *testing.T, e *edges, front string) {
	for range 3 {
		if a := get(t, front+"/absent", ""); a.status != 404 || a.body != "/absent" {
			t.Errorf("%+v", a)
		}
	}
	if n := e.count("/absent"); n != 1 {
		t.Errorf("edges were asked %d times", n)
	}
}

func keepsNoRefusal(t *testing.T, e *edges, front string) {
	for path, status := range map[string]int{"/refused": 429, "/full": 503} {
		for range 3 {
			if a := get(t, front+path, ""); a.status != status || a.body != path {
				t.Errorf("%s: %+v", path, a)
			}
		}
		if n := e.count(path); n != 3 {
			t.Errorf("%s: edges were asked %d times for 3", path, n)
		}
	}
}

func refusesTogether(t *testing.T, e *edges, front string) {
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if a := get(t, front+"/full-slowly", ""); a.status != 503 {
				t.Errorf("%+v", a)
			}
		})
	}
	group.Wait()
	select {
	case <-e.full.met:
	default:
		t.Error("fewer than 4 of 8 requests reached edges at once: the others waited")
	}
}

func asksAnother(t *testing.T, e *edges, front string) {
	if a := get(t, front+"/unreachable", ""); a.status != 200 || e.count("/unreachable") != 2 {
		t.Errorf("%+v after %d", a, e.count("/unreachable"))
	}
}

func varies(t *testing.T, _ *edges, front string) {
	for _, accept := range []string{"image/webp", "image/avif", "image/webp"} {
		if a := get(t, front+"/format", accept); a.body != accept {
			t.Errorf("%s: %+v", accept, a)
		}
	}
}

func keepsSites(t *testing.T, e *edges, front string) {
	for asked, host := range []string{"en.wiki.example", "any.example"} {
		for range 2 {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front+"/site.jpg", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = host
			if a := do(t, request); a.status != 200 || e.count("/site.jpg") != asked+1 {
				t.Errorf("%s: %d; edges were asked %d times, want %d", host, a.status, e.count("/site.jpg"), asked+1)
			}
		}
	}
}

func keysOnPath(t *testing.T, e *edges, front string) {
	for _, c := range []struct {
		path, query string
		asked       int // times that edges have been asked for the path
	}{
		{"/Cat.jpg", "", 1},
		{"/Cat.jpg", "?utm_source=x", 1},
		{"/Cat.jpg", "?fbclid=1&utm_source=y", 1},
		{"/Cat.jpg", "?20261128141510", 1}, // no URL of MediaWiki's
		{"/Cat.jpg", "?download", 2},
		{"/Cat.jpg", "?download=1&utm_source=x", 2},
		{"/Cat.jpg", "?downloads", 2},
		{"/Cat.jpg", "?%64ownload", 3}, // not kept
		{"/Cat.jpg", "?%64ownload", 4},
		{"/Cat.jpg", "", 4},
		{"/Cat.jpg", "?utm_source=x", 4},
		{"/thumb/Cat.jpg/100px-Cat.jpg", "", 1},
		{"/thumb/Cat.jpg/100px-Cat.jpg", "?20261128141510", 2},
		{"/thumb/Cat.jpg/100px-Cat.jpg", "?utm_source=x&20261128141510=", 2},
		{"/thumb/Cat.jpg/100px-Cat.jpg", "?20261128141511", 3},
		{"/thumb/Cat.jpg/100px-Cat.jpg", "?20261128141599", 3},
		{"/w/thumb.php", "?f=Cat.jpg&width=100", 1},
		{"/w/thumb.php", "?f=Cat.jpg&width=120", 2},
		{"/w/thumb.php", "?f=Cat.jpg&width=100", 2},
	} {
		if a := get(t, front+c.path+c.query, ""); a.status != 200 || e.count(c.path) != c.asked {
			t.Errorf("%s%s: %d; edges were asked %d times, want %d", c.path, c.query, a.status, e.count(c.path), c.asked)
		}
	}
}

// floods asks for one thumbnail with very many queries and headers: few copies come from it.
func floods(t *testing.T, e *edges, front string) {
	for name, c := range map[string]struct {
		path string
		most int // times that edges are asked
		ask  func(i int, r *http.Request)
	}{
		"queries":  {"/flood1", 1, func(i int, r *http.Request) { r.URL.RawQuery = fmt.Sprint("x=", i) }},
		"versions": {"/flood2", 1, func(i int, r *http.Request) { r.URL.RawQuery = fmt.Sprint(20260101000000 + i) }},
		"versions of a MediaWiki": {"/thumb/flood3", 1, func(i int, r *http.Request) {
			r.URL.RawQuery = fmt.Sprint(20260101002741 + i*10_000)
		}},
		"formats": {"/format-flood", 5, func(i int, r *http.Request) {
			r.Header.Set("Accept", fmt.Sprintf("%s,image/%d", []string{"image/avif", "image/webp", "image/jxl", "text/html", "application/json"}[i%5], i))
		}},
		"hosts":   {"/flood4", 1, func(i int, r *http.Request) { r.Host = fmt.Sprint(i, ".example") }},
		"origins": {"/origin-flood", 1, func(i int, r *http.Request) { r.Header.Set("Origin", fmt.Sprintf("https://%d.example", i)) }},
	} {
		for i := range 150 {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			c.ask(i, request)
			if a := do(t, request); a.status != 200 {
				t.Fatalf("%s: %d", name, a.status)
			}
		}
		if n := e.count(c.path); n > c.most {
			t.Errorf("%s: edges were asked %d times, want at most %d", name, n, c.most)
		}
	}
}

func posts(t *testing.T, e *edges, front string) {
	for range 2 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front+"/post", strings.NewReader("a picture"))
		if err != nil {
			t.Fatal(err)
		}
		if a := do(t, request); a.body != "a picture" {
			t.Errorf("%+v", a)
		}
	}
	if n := e.count("/post"); n != 2 {
		t.Errorf("edges were asked %d times for 2", n)
	}
}

func stale(t *testing.T, e *edges, front string) {
	if a := get(t, front+"/short", ""); a.body != "/short1" {
		t.Fatalf("%+v", a)
	}
	e.set(func() { e.failing = 503 })
	old := func() {
		t.Helper()
		if a := get(t, front+"/short", ""); a.status != 200 || a.body != "/short1" {
			t.Errorf("while edges fail: %+v", a)
		}
	}
	eventually.Holds(t, patience, "the front compares the old picture with the edge's", func() bool { old(); return e.count("/short") > 1 })
	for range 3 {
		old()
	}
	e.set(func() { e.failing = 0 })
	eventually.Holds(t, patience, "the picture is new", func() bool {
		a := get(t, front+"/short", "")
		if a.status != 200 {
			t.Errorf("afterwards: %+v", a)
		}
		return a.body != "/short1"
	})
}

const patience = 20 * time.Second

func gone(t *testing.T, e *edges, front string) {
	e.set(func() { e.gone[0] = true })
	defer e.set(func() { e.gone[0] = false })
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			path := fmt.Sprint("/picture", i)
			if a := get(t, front+path, ""); a.status != 200 || a.body != path {
				t.Errorf("%+v", a)
			}
		})
	}
	group.Wait()
}

// Varnish purges by the key of an original. Only edges may purge.
func TestVarnishPurges(t *testing.T) {
	e := startEdges(t)
	front := servers.Varnish(t, e.addresses())
	for range 2 {
		get(t, front+"/a", "")
		get(t, front+"/b", "")
	}
	request, err := http.NewRequestWithContext(t.Context(), "PURGE", front+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Xkey", "original")
	if a := do(t, request); a.status != 200 {
		t.Errorf("%+v", a)
	}
	for _, path := range []string{"/a", "/b"} {
		get(t, front+path, "")
		if n := e.count(path); n != 2 {
			t.Errorf("%s was asked for %d times", path, n)
		}
	}
}
