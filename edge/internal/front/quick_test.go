package front

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// hits answers /hit below the server, and everything by it. The answer tells which.
type hits struct{ quick, slow, looked atomic.Int32 }

func (h *hits) answer(w http.ResponseWriter, r *http.Request, by string) {
	body := []byte(by + r.URL.Path + strings.Repeat(".", 20_000))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_ = WriteWhole(w, r, body)
	}
}

func (h *hits) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.slow.Add(1)
	if HasLooked(r) {
		h.looked.Add(1)
	}
	h.answer(w, r, "slow")
}

func (h *hits) ServeAtHand(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, "/hit") {
		w.Header().Set("Left", "over")
		Looked(w)
		return false
	}
	h.quick.Add(1)
	switch r.URL.Path {
	case "/hit/none":
		w.WriteHeader(http.StatusPreconditionFailed)
		return true
	case "/hit/refused":
		http.Error(w, "no", http.StatusServiceUnavailable)
		return true
	case "/hit/less":
		w.Header().Set("Content-Length", "9")
		_, _ = w.Write([]byte("less"))
		return true
	}
	h.answer(w, r, "quick")
	return true
}

// raw is a client's connection that sends bytes as they are.
type raw struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dialRaw(t *testing.T, address string) raw {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return raw{t, conn, bufio.NewReader(conn)}
}

// ask sends bytes, and returns the beginning of one answer's body.
func (c raw) ask(method, bytes string) string {
	c.t.Helper()
	_, _ = io.WriteString(c.conn, bytes)
	return c.next(method)
}

func (c raw) next(method string) string {
	c.t.Helper()
	answer, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.Header.Get("Left") != "" || answer.Header.Get("Date") == "" {
		c.t.Errorf("%v %v", err, answer.Header)
	}
	text, _, _ := strings.Cut(string(body), ".")
	return text
}

func get(path string, more ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(more, "") + "\r\n"
}

func serveHits(t *testing.T) (*hits, string) {
	t.Helper()
	h := &hits{}
	return h, serveBy(t, settings.Edge{}, h).Addr()
}

func TestHitsAreAnsweredBelowTheServer(t *testing.T) {
	h, address := serveHits(t)
	c := dialRaw(t, address)
	asked := int32(1)                                       // with the one for HEAD
	for asked < 1000 && (asked < 8 || h.quick.Load() < 3) { // the server answers a request whose first byte comes early
		path := []string{"/miss", "/hit/1", "/hit/2", "/hit/3"}[asked%4]
		if got := c.ask("GET", get(path)); !strings.HasSuffix(got, path) {
			t.Errorf("%s: %s", path, got)
		}
		asked++
	}
	if got := c.ask("HEAD", "HEAD /hit/5 HTTP/1.1\r\nHost: x\r\n\r\n"); got != "" {
		t.Errorf("a body for HEAD: %s", got)
	}
	quick, slow, looked := h.quick.Load(), h.slow.Load(), h.looked.Load()
	if quick < 3 || quick+slow != asked {
		t.Errorf("%d requests were answered below the server, %d by it", quick, slow)
	}
	if looked == 0 || looked > asked/4 {
		t.Errorf("of %d misses, the server heard of %d that the handler looked for them", asked/4, looked)
	}
}

// quickly asks until an answer comes below the server: the server answers a request whose first byte comes early.
func (h *hits) quickly(t *testing.T, c raw, path string) *http.Response {
	t.Helper()
	for range 1000 {
		c.ask("GET", get("/hit"))
		before := h.quick.Load()
		_, _ = io.WriteString(c.conn, get(path))
		answer, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if h.quick.Load() > before {
			return answer
		}
		_, _ = io.Copy(io.Discard, answer.Body)
	}
	t.Fatal("no request is answered below the server")
	return nil
}

// An answer without a body leaves its connection open, and one with fewer bytes than it tells does not.
func TestEndsOfQuickAnswers(t *testing.T) {
	h, address := serveHits(t)
	c := dialRaw(t, address)
	answer := h.quickly(t, c, "/hit/none")
	if answer.StatusCode != http.StatusPreconditionFailed || answer.Header.Get("Content-Length") != "0" {
		t.Errorf("%s, Content-Length %q", answer.Status, answer.Header.Get("Content-Length"))
	}
	if got := c.ask("GET", get("/hit/again")); !strings.HasSuffix(got, "/hit/again") {
		t.Errorf("after an empty answer: %s", got)
	}
	answer = h.quickly(t, c, "/hit/refused")
	if body, err := io.ReadAll(answer.Body); string(body) != "no\n" || err != nil || answer.ContentLength != 3 {
		t.Errorf("a short body of %d bytes: %q, %v", answer.ContentLength, body, err)
	}
	if got := c.ask("GET", get("/hit/again")); !strings.HasSuffix(got, "/hit/again") {
		t.Errorf("after a short answer: %s", got)
	}
	_ = h.quickly(t, c, "/hit/less")
	_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, c.in); err != nil {
		t.Errorf("the connection of an answer that is cut short stays open: %v", err)
	}
}

// A request that stands inside of another one, or behind a part of another one, is never answered for itself.
func TestOnlyWholeHeadsAreAnsweredBelowTheServer(t *testing.T) {
	for name, first := range map[string]string{
		"a body":             "POST /miss HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n",
		"a body of GET":      "GET /miss HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n",
		"chunks":             "GET /miss HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a head in two":      "GET /miss HTTP/1.1\r\nHost: x\r\nX: ",
		"a line in two":      "GET /miss HTTP/1.1\r\nHost: x\r\n",
		"two and a part":     get("/miss") + "GET /miss/2 HTTP/1.1\r\nHost: x\r\nX: ",
		"a line feed":        "GET /miss HTTP/1.1\nHost: x\nX: ",
		"the rest of a body": "GET /miss HTTP/1.1\r\nHost: x\r\ncontent-length : 40\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			h, address := serveHits(t)
			c := dialRaw(t, address)
			for range 3 {
				c.ask("GET", get("/hit"))
			}
			before := h.quick.Load()
			_, _ = io.WriteString(c.conn, first)
			time.Sleep(30 * time.Millisecond) // so that the server reads the first part by itself
			_, _ = io.WriteString(c.conn, get("/hit/smuggled"))
			_ = c.conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c.in)
			if h.quick.Load() != before {
				t.Error("a request inside of another one was answered below the server")
			}
		})
	}
}

func TestOnlyPlainHeadsAreTakenBelowTheServer(t *testing.T) {
	for head, want := range map[string]bool{
		get("/hit"):                                 true,
		get("/hit", "Range: bytes=0-1\r\n"):         true,
		get("/hit", "Cookie: a=b\r\n"):              true,
		get("/hit", "Content-Length: 0\r\n"):        false,
		get("/hit", "TRANSFER-ENCODING: x\r\n"):     false,
		get("/hit", "Upgrade: h2c\r\n"):             false,
		get("/hit", "Expect: 100-continue\r\n"):     false,
		get("/hit", " folded\r\n"):                  false,
		get("/hit", "X: \x00\r\n"):                  false,
		get("/hit", "X: a\rb\r\n"):                  false,
		get("/hit") + "G":                           false,
		get("/hit") + get("/hit"):                   false,
		"GET /hit HTTP/1.1\r\nHost: x\r\n":          false,
		"POST /hit HTTP/1.1\r\nHost: x\r\n\r\n":     false,
		"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n": false,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":          false,
		"":                                          false,
	} {
		if got := plainHead([]byte(head)); got != want {
			t.Errorf("%q: %v", head, got)
		}
	}
	for head, want := range map[string]bool{
		get("/hit"): true, get("/hit", "Connection: close\r\n"): false, "GET /hit HTTP/1.0\r\nHost: x\r\n\r\n": false,
		"GET /hit HTTP/1.1\r\n\r\n": false, "GET /hit HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": false, "GET /hit HTTP/1.1\r\nHost: a b\r\n\r\n": false,
	} {
		if got := newHead().read([]byte(head)) != nil; got != want {
			t.Errorf("%q: %v", head, got)
		}
	}
}

// Answers below the server end before the listener has closed, and none begins later.
func TestQuickAnswersEndBeforeTheServer(t *testing.T) {
	began, goOn := make(chan struct{}), make(chan struct{})
	server := serveBy(t, settings.Edge{}, &stuck{hits{}, began, goOn})
	c := dialRaw(t, server.Addr())
	c.ask("GET", get("/hit"))
	answered := make(chan string, 1)
	for waits := true; waits; { // the server answers a request whose first byte comes before it has ended the one before
		go func() { answered <- c.ask("GET", get("/hit/stuck")) }()
		select {
		case <-began:
			waits = false
		case <-answered:
		}
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Stop(t.Context()) }()
	select {
	case err := <-stopped:
		t.Error("the server stops before the answer has ended", err)
	case <-time.After(50 * time.Millisecond): // a stop without answers takes less
	}
	close(goOn)
	if got := <-answered; got != "quick/hit/stuck" {
		t.Error(got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// stuck waits in each quick answer.
type stuck struct {
	hits        hits
	began, goOn chan struct{}
}

func (s *stuck) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.hits.ServeHTTP(w, r) }

func (s *stuck) ServeAtHand(w http.ResponseWriter, r *http.Request) bool {
	close(s.began)
	<-s.goOn
	return s.hits.ServeAtHand(w, r)
}

// A connection that gets quick answers is not the one that waited longest.
func TestConnectionsWithQuickAnswersStay(t *testing.T) {
	h := &hits{}
	server := serveBy(t, settings.Edge{MaxConnections: 4}, h)
	busy, idle := dialRaw(t, server.Addr()), dialRaw(t, server.Addr())
	busy.ask("GET", get("/hit"))
	idle.ask("GET", get("/hit"))
	eventually.Holds(t, 10*time.Second, "the idle connection closes", func() bool {
		if got := busy.ask("GET", get("/hit/again")); !strings.HasSuffix(got, "/again") {
			t.Error(got)
		}
		dialRaw(t, server.Addr()).ask("GET", get("/hit"))
		_ = idle.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := idle.in.ReadByte()
		return err == io.EOF
	})
	if h.quick.Load() == 0 {
		t.Error("no request was answered below the server")
	}
}

// A plain head means the same below the server as by http.ReadRequest, also in memory that was used before.
func FuzzPlainHeads(f *testing.F) {
	f.Add(get("/hit", "A: b\r\n"))
	f.Add(get("/hit?a=%20", "user-agent: b\r\n", "User-Agent:c  \r\n", "Connection: Keep-Alive\r\n", "Empty:\r\n"))
	f.Add(get("/hit", "Pragma: no-cache\r\n", "Cache-Control: max-age=0\r\n"))
	h := newHead()
	f.Fuzz(func(t *testing.T, text string) {
		if !plainHead([]byte(text)) {
			return
		}
		in := strings.NewReader(text)
		reader := bufio.NewReader(in)
		want, err := http.ReadRequest(reader)
		got := h.read([]byte(text))
		switch {
		case err != nil && got != nil:
			t.Errorf("%q is answered, although %v", text, err)
		case err != nil: // the server closes the connection
		case reader.Buffered()+in.Len() != 0 || want.ContentLength != 0 || len(want.TransferEncoding) > 0:
			t.Errorf("%q does not end where its head ends", text)
		case got != nil && !equal(got, want):
			t.Errorf("%q is read as %+v, want %+v", text, got, want)
		}
	})
}

// equal reports whether handlers see the same request.
func equal(a, b *http.Request) bool {
	return a.Method == b.Method && *a.URL == *b.URL && a.RequestURI == b.RequestURI && a.Proto == b.Proto && a.ProtoMajor == b.ProtoMajor &&
		a.ProtoMinor == b.ProtoMinor && reflect.DeepEqual(a.Header, b.Header) && a.Body == b.Body && a.ContentLength == b.ContentLength &&
		a.Host == b.Host && a.Close == b.Close
}
