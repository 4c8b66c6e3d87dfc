package front

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/service/httpserver"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, s settings.Edge, h http.HandlerFunc) *httpserver.Server {
	t.Helper()
	return serveBy(t, s, h)
}

func serveBy(t *testing.T, s settings.Edge, h http.Handler) *httpserver.Server {
	t.Helper()
	s.Listen = "127.0.0.1:0"
	if s.MaxConnections == 0 {
		s.MaxConnections = 100
	}
	server, err := New(s, strangers(t), h, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err == nil {
		err = server.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	return server
}

// nobody is an operator that names no network.
type nobody struct{}

func (nobody) Exempt(netip.Addr) bool  { return false }
func (nobody) Blocked(netip.Addr) bool { return false }

// strangers returns a finder that trusts only the proxy 127.0.0.1.
func strangers(t *testing.T) *clientaddr.Finder {
	t.Helper()
	clients, err := clientaddr.New([]string{"127.0.0.1"}, nil, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

// name returns the name in a server's certificate, and the protocol of its answer.
func name(t *testing.T, address string) (certificate, protocol string) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("https://" + address)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.TLS.PeerCertificates[0].DNSNames[0], response.Proto
}

func TestEncryption(t *testing.T) {
	server := serve(t, settings.Edge{TLS: wire.Certificate(t, t.TempDir(), "first.example")}, func(http.ResponseWriter, *http.Request) {})
	if got, protocol := name(t, server.Addr()); got != "first.example" || protocol != "HTTP/2.0" {
		t.Errorf("%s over %s", got, protocol)
	}
	if _, err := New(settings.Edge{Listen: "127.0.0.1:0", TLS: settings.ServerTLS{Certificate: "/nowhere", Key: "/nowhere"}}, strangers(t), nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err == nil || !strings.Contains(err.Error(), "edge.tls") {
		t.Errorf("missing files: %v", err)
	}
}

// withoutEncryption returns a client's transport for HTTP/2 without encryption.
func withoutEncryption(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: protocols, DialContext: dial}
}

func TestHTTP2WithoutEncryption(t *testing.T) {
	server := serve(t, settings.Edge{}, func(w http.ResponseWriter, r *http.Request) { _ = WriteWhole(w, r, []byte(r.Proto)) })
	transport := withoutEncryption(new(net.Dialer).DialContext)
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("http://" + server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, _ := io.ReadAll(response.Body); string(body) != "HTTP/2.0" {
		t.Errorf("over %s", body)
	}
}

// A connection keeps the memory of its largest frame, so the edge refuses frames above maxFrame.
func TestLargeFramesAreRefused(t *testing.T) {
	server := serve(t, settings.Edge{}, func(http.ResponseWriter, *http.Request) {})
	for size, wants := range map[int]bool{maxFrame: true, maxFrame + 1: false} {
		conn, err := net.Dial("tcp", server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		settings := []byte{0, 0, 0, 4, 0, 0, 0, 0, 0}
		unknown := append([]byte{byte(size >> 16), byte(size >> 8), byte(size), 0xfa, 0, 0, 0, 0, 0}, make([]byte, size)...)
		ping := append([]byte{0, 0, 8, 6, 0, 0, 0, 0, 0}, "a ping !"...)
		_, _ = conn.Write(slices.Concat([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings, unknown, ping))
		answered := false
		for in := bufio.NewReader(conn); !answered; {
			head := make([]byte, 9)
			if _, err := io.ReadFull(in, head); err != nil {
				break
			}
			_, _ = io.CopyN(io.Discard, in, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
			answered = head[3] == 6
		}
		_ = conn.Close()
		if answered != wants {
			t.Errorf("a frame of %d bytes: answered is %v", size, answered)
		}
	}
}

// Answers of all lengths arrive whole, one after the other on one connection.
func TestWholeAnswers(t *testing.T) {
	server := serve(t, settings.Edge{}, func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.URL.Path[1:], &n)
		w.Header().Set("Content-Length", fmt.Sprint(n))
		if r.Method != http.MethodHead {
			_ = WriteWhole(w, r, []byte(strings.Repeat("x", n)))
		}
	})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	for _, n := range []int{0, 1, 100, 2000, 2048, 3900, 4095, 4096, 4097, 20_000, 1 << 20} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodGet} {
			request, _ := http.NewRequest(method, fmt.Sprintf("http://%s/%d", server.Addr(), n), nil)
			response, err := client.Do(request)
			if err != nil {
				t.Fatalf("%s of %d: %v", method, n, err)
			}
			body, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil || response.ContentLength != int64(n) || method == http.MethodGet && len(body) != n {
				t.Errorf("%s of %d: %d bytes, %v", method, n, len(body), err)
			}
		}
	}
}

// At the limit, the edge closes the connection that waits longest for a new one. It closes no
// connection with a request under way.
func TestIdleConnectionsGiveWay(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	server := serve(t, settings.Edge{MaxConnections: 3}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-release
		}
		_, _ = io.WriteString(w, "done")
	})
	goOn := sync.OnceFunc(func() { close(release) })
	t.Cleanup(goOn)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	ask := func(conn net.Conn, path string) { _, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path) }
	answered := func(conn net.Conn) bool {
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		return err == nil && response.StatusCode == http.StatusOK
	}
	served := dial()
	ask(served, "/slow")
	<-arrived
	idle := []net.Conn{dial(), dial()}
	eventually.Holds(t, 20*time.Second, "the edge serves new connections in place of the connections that wait longest", func() bool {
		fresh := dial()
		ask(fresh, "/")
		if answered(fresh) { // else no connection waited yet: a client reads the answer before the server waits again
			idle = append(idle, fresh)
		}
		return len(idle) == 12
	})
	closed := make(chan bool, len(idle))
	for _, conn := range idle {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		go func() {
			_, err := conn.Read(make([]byte, 1))
			closed <- err == io.EOF //nolint:errorlint // Read returns it unwrapped
		}()
	}
	for i := range len(idle) - 2 {
		if !<-closed {
			t.Fatalf("%d of %d idle connections were closed", i, len(idle))
		}
	}
	for _, conn := range idle {
		ask(conn, "/")
	}
	if <-closed || <-closed {
		t.Error("the edge closed a connection without need")
	}
	goOn()
	if !answered(served) {
		t.Error("the edge closed the connection with a request under way")
	}
}

// The edge closes a connection that waits too long for its next request, and no other.
func TestIdleConnectionsExpire(t *testing.T) {
	known := newConnections(10, 20*time.Millisecond, strangers(t), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	closed := func(within time.Duration, states ...http.ConnState) bool {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = listener.Close() }()
		client, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = client.Close() }()
		conn, err := limited{listener, known}.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		for _, state := range states {
			known.stateChanged(conn, state)
		}
		_ = client.SetReadDeadline(time.Now().Add(within))
		_, err = client.Read(make([]byte, 1))
		known.stateChanged(conn, http.StateClosed)
		return err == io.EOF //nolint:errorlint // Read returns it unwrapped
	}
	if !closed(5*time.Second, http.StateNew, http.StateActive, http.StateIdle) || !closed(5*time.Second, http.StateNew, http.StateIdle, http.StateActive, http.StateIdle) {
		t.Error("a connection that waits too long stays open")
	}
	const long = 200 * time.Millisecond
	if closed(long, http.StateNew) || closed(long, http.StateNew, http.StateActive, http.StateIdle, http.StateActive) {
		t.Error("a connection that does not wait is closed")
	}
}

// A head that begins near the end of a wait gets the full time of a head.
func TestSlowHeadAfterAWait(t *testing.T) {
	known := newConnections(10, time.Second, strangers(t), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ConnState: known.stateChanged, ReadHeaderTimeout: headerTimeout}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(limited{listener, known}) })
	defer serving.Wait()
	defer func() { _ = server.Close() }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, pause := range []time.Duration{0, 1500 * time.Millisecond} { // during the first head, during the second
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\n")
		time.Sleep(pause) // like a slow client; the timer runs in real time, because the connection is real
		_, _ = io.WriteString(conn, "Host: x\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("after %v: %v", pause, err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // Read returns it unwrapped
		t.Errorf("after the last answer: %v", err)
	}
}

// Nothing holds the memory of a closed connection, in any order of the ends of its streams.
func TestConnectionsAreForgotten(t *testing.T) {
	arrived, later := make(chan weak.Pointer[gathering]), make(chan struct{})
	server := serve(t, settings.Edge{Deadline: time.Minute}, func(w http.ResponseWriter, r *http.Request) {
		arrived <- weak.Make(r.Context().Value(connKey{}).(*gathering))
		<-r.Context().Done()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour)) // a handler may do so after the end
		later <- struct{}{}
	})
	dialed := make(chan net.Conn, 1)
	transport := withoutEncryption(func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		dialed <- conn
		return conn, err
	})
	defer transport.CloseIdleConnections()
	ask := func() (gone weak.Pointer[gathering], takeBack func()) {
		ctx, cancel := context.WithCancel(t.Context())
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server.Addr(), nil)
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			if response, err := transport.RoundTrip(request); err == nil {
				_ = response.Body.Close()
			}
		}()
		return <-arrived, func() { cancel(); <-answered }
	}
	_, takeBack := ask()
	takeBack()
	<-later
	gone, takeBack := ask() // its stream is open when the connection ends
	_ = (<-dialed).Close()
	takeBack()
	<-later
	eventually.Holds(t, 5*time.Second, "nothing holds the connection", func() bool {
		runtime.GC()
		return gone.Value() == nil
	})
}

// A client gets its share of the connections, and another when it closes one. The edge serves other
// clients meanwhile.
func TestShare(t *testing.T) {
	server := serve(t, settings.Edge{MaxConnections: 1000}, func(http.ResponseWriter, *http.Request) {})
	served := func(conn net.Conn) bool {
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		return err == nil && response.StatusCode == 200
	}
	dial := func(address string) net.Conn {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		conn, err := dialer.Dial("tcp", server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	var all []net.Conn
	for i := range 100 {
		if all = append(all, dial("127.0.0.2")); !served(all[i]) {
			t.Fatalf("the edge does not serve connection %d", i)
		}
	}
	if served(dial("127.0.0.2")) {
		t.Error("the client has more than its share")
	}
	for _, other := range []string{"127.0.0.3", "127.0.0.1"} {
		if !served(dial(other)) {
			t.Errorf("the edge does not serve %s", other)
		}
	}
	_ = all[0].Close()
	eventually.Holds(t, 5*time.Second, "the client gets a connection in place of the closed one", func() bool { return served(dial("127.0.0.2")) })
}

// A client that takes back thousands of requests loses all its connections, and gets no new ones for
// a while. Other clients keep theirs. A proxy keeps its connections too, since its clients take
// back the requests.
func TestPatience(t *testing.T) {
	began := make(chan struct{}, 20*patience) // never full
	server := serve(t, settings.Edge{}, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			began <- struct{}{}
			<-r.Context().Done()
		}
	})
	client := func(address string) *http.Client {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		transport := withoutEncryption(dialer.DialContext)
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, Timeout: 10 * time.Second}
	}
	get := func(c *http.Client, ctx context.Context, path string) error {
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server.Addr()+path, nil)
		response, err := c.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	}
	takeBackHundred := func(c *http.Client) {
		var all sync.WaitGroup
		defer all.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 100 {
			refused := make(chan struct{})
			all.Go(func() { defer close(refused); _ = get(c, ctx, "/slow") })
			select {
			case <-began:
			case <-refused:
			}
		}
	}
	impatient, neighbour, proxy := client("127.0.0.2"), client("127.0.0.3"), client("127.0.0.1")
	for name, c := range map[string]*http.Client{"the client": impatient, "its neighbour": neighbour} {
		if err := get(c, t.Context(), "/"); err != nil {
			t.Fatalf("%s, before: %v", name, err)
		}
	}
	// On a slow machine, some requests count in the window before.
	for n := 0; get(impatient, t.Context(), "/") == nil; n += 100 {
		if n >= 10*patience {
			t.Fatal("the edge still serves the client")
		}
		takeBackHundred(impatient)
	}
	for range patience / 100 {
		takeBackHundred(proxy)
	}
	for name, c := range map[string]*http.Client{"its neighbour": neighbour, "a proxy": proxy} {
		if err := get(c, t.Context(), "/"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// One client leaves room for others also on an edge with few connections.
func TestShareOfFew(t *testing.T) {
	known := newConnections(10, time.Minute, strangers(t), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	for i := range 6 {
		if got := known.admit(&gathering{client: "192.0.2.1"}); got != (i < 5) {
			t.Errorf("connection %d: %v", i, got)
		}
	}
	if !known.admit(&gathering{client: "192.0.2.2"}) {
		t.Error("the edge refuses another client")
	}
}

func TestNewConnectionsAreRefusedWhenAllAreBusy(t *testing.T) {
	release := make(chan struct{})
	var serving sync.WaitGroup
	serving.Add(2)
	server := serve(t, settings.Edge{MaxConnections: 2}, func(http.ResponseWriter, *http.Request) { serving.Done(); <-release })
	for range 2 {
		conn, err := net.Dial("tcp", server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	serving.Wait()
	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection above the limit stays open: %v", err)
	}
	close(release)
}
