package cluster

import (
	"bufio"
	"context"
	bigendian "encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// raw sends bytes, and returns the statuses of all answers until the connection ends or is silent
// for three seconds.
func raw(t *testing.T, address, request string) (statuses []int, closed bool) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	_, _ = io.WriteString(conn, request) // the edge may close the connection in the middle
	for in := bufio.NewReader(conn); ; {
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses, !errors.Is(err, os.ErrDeadlineExceeded)
		}
		_, err = io.Copy(io.Discard, response.Body)
		statuses = append(statuses, response.StatusCode)
		if err != nil || response.Close {
			return statuses, true
		}
	}
}

// The edge reads no request out of a body, so no two servers can see different requests in the same
// bytes.
func TestRequestsAreNotSmuggled(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	landscape(c, "a.jpg")
	c.Get(t.Context(), c.Edges[0], "/unsafe/60x/a.jpg", alice).Wants(t, 200)
	const hidden = "GET /unsafe/61x/a.jpg HTTP/1.1\r\nHost: x\r\n\r\n"
	get := func(headers string) string {
		return "GET /unsafe/60x/a.jpg HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n"
	}
	for name, request := range map[string]string{
		"both lengths":                get("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + hidden,
		"two lengths":                 get("Content-Length: 0\r\nContent-Length: 44\r\n") + hidden,
		"two lengths in one":          get("Content-Length: 0, 44\r\n") + hidden,
		"a negative length":           get("Content-Length: -1\r\n") + hidden,
		"a length with a sign":        get("Content-Length: +0\r\n") + hidden,
		"a length in hex":             get("Content-Length: 0x0\r\n") + hidden,
		"a huge length":               get("Content-Length: 99999999999999999999\r\n") + hidden,
		"an odd encoding":             get("Transfer-Encoding: xchunked\r\n") + hidden,
		"two encodings":               get("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") + "0\r\n\r\n" + hidden,
		"an encoding with a tab":      get("Transfer-Encoding:\tchunked\r\n") + "0\r\n\r\n" + hidden,
		"a name with a space":         get("Content-Length : 44\r\n") + hidden,
		"a header of NUL":             get("X: a\x00b\r\n") + hidden,
		"a bare line feed":            "GET /unsafe/60x/a.jpg HTTP/1.1\nHost: x\nContent-Length: 44\n\n" + hidden,
		"a chunk with a wrong length": get("Transfer-Encoding: chunked\r\n") + "fffffffff\r\n" + hidden,
		"a chunk with an extension":   get("Transfer-Encoding: chunked\r\n") + "0;a=\r\n\r\n" + hidden,
		"a body of a whole request":   get(fmt.Sprintf("Content-Length: %d\r\n", len(hidden))) + hidden,
		"a target with a space":       "GET /unsafe/60x/a.jpg /x HTTP/1.1\r\nHost: x\r\n\r\n" + hidden,
		"no version":                  "GET /unsafe/60x/a.jpg\r\n\r\n" + hidden,
		"two hosts":                   "GET /unsafe/60x/a.jpg HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + hidden,
		"HTTP/2's preface, damaged":   "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + hidden,
	} {
		if statuses, closed := raw(t, c.Edges[0].Addr(), request); len(statuses) > 1 || !closed {
			t.Errorf("%s: answered with %v, closed %v", name, statuses, closed)
		}
	}
	if n := c.Renders(); n != 1 {
		t.Errorf("%d thumbnails were rendered: a hidden request was read", n)
	}
}

// Requests that are too large are refused without using memory.
func TestLargeHeadsAreRefused(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	long := strings.Repeat("x", 64<<10)
	for name, k := range map[string]struct {
		request string
		status  int
	}{
		"a long URL":            {"GET /unsafe/" + long[:5000] + " HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"a very long URL":       {"GET /" + long + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
		"a long header":         {"GET / HTTP/1.1\r\nHost: x\r\nX: " + long + "\r\n\r\n", 431},
		"many headers":          {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 10_000) + "\r\n", 431},
		"a header without end":  {"GET / HTTP/1.1\r\n" + long, 431},
		"many ranges":           {"GET /unsafe/60x/absent.jpg HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes=" + strings.Repeat("0-0,", 2000) + "\r\n\r\n", 404},
		"a body that is unread": {"GET /unsafe/60x/absent.jpg HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", 404},
	} {
		statuses, _ := raw(t, c.Edges[0].Addr(), k.request)
		if !slices.Equal(statuses, []int{k.status}) {
			t.Errorf("%s: %v, want %d", name, statuses, k.status)
		}
	}
}

// heap returns the memory of this process in bytes, without garbage.
func heap(t *testing.T) int64 {
	t.Helper()
	for range 3 { // finalizers and pools release more garbage
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// asAttacker turns this binary into a client that misbehaves: "idle ADDRESS" or "reset ADDRESS".
// The client is a separate process, because its memory must not count as the edge's.
const asAttacker = "THUMBMILL_ATTACKER"

// attack attacks until standard input ends.
func attack(what string) {
	how, address, _ := strings.Cut(what, " ")
	stop := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(stop) }()
	switch how {
	case "idle":
		hold(address, stop)
	case "reset":
		address, batch, _ := strings.Cut(address, " ")
		atOnce, _ := strconv.Atoi(batch)
		var streams int64
		for streams += reset(address, atOnce, stop); ; streams += reset(address, atOnce, stop) {
			select {
			case <-stop:
				fmt.Println(streams)
				return
			default:
			}
		}
	}
}

// attacker starts an attacker on a single core. end stops it, and returns its output.
func attacker(t *testing.T, what string) (ready <-chan string, end func() string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asAttacker+"="+what, "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, out, err := servers.Piped(cmd)
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 2)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for in := bufio.NewScanner(out); in.Scan(); {
			lines <- in.Text()
		}
		close(lines)
	}()
	return lines, func() string {
		_ = in.Close()
		<-read
		_ = cmd.Wait()
		var last string
		for line := range lines {
			last = line
		}
		return last
	}
}

const idleConnections, slowConnections = 10_000, 1_000

// hold opens connections without a request, and some that send a byte a second.
func hold(address string, stop <-chan struct{}) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	var conns []net.Conn
	for i := range idleConnections + slowConnections {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i%8))}, Timeout: 5 * time.Second}
		conn, err := dialer.Dial("tcp", address)
		if err != nil {
			fmt.Printf("connection %d: %v\n", i, err)
			return
		}
		conns = append(conns, conn)
		if i >= idleConnections {
			_, _ = io.WriteString(conn, "GET /unsafe/60x/a.jpg HTTP/1.1\r\nX: ")
		}
	}
	fmt.Println("ready")
	for ticks := time.Tick(time.Second); ; {
		select {
		case <-stop:
			return
		case <-ticks:
		}
		for _, conn := range conns[idleConnections:] {
			_, _ = conn.Write([]byte("x"))
		}
	}
}

// visit sends requests of a good client, at least twenty, for three seconds of the attack. It
// returns the number of answers and the longest time.
func (c *Cluster) visit(t *testing.T, path string) (answers int, slowest time.Duration) {
	t.Helper()
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	end := time.Now().Add(3 * time.Second)
	periodic.Do(ctx, asksEvery, func(context.Context) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // a starved request fails with a message
		answer := c.Get(ctx, c.Edges[0], path, bob)
		cancel()
		answer.Wants(t, 200)
		slowest = max(slowest, time.Since(began))
		if answers++; answers >= 20 && time.Now().After(end) {
			enough()
		}
	})
	return answers, slowest
}

// Ten thousand idle connections and a thousand slow ones cost little memory, and good clients are
// still served.
func TestIdleAndSlowConnections(t *testing.T) {
	const each = 20 << 10 // bytes that a connection may cost
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < idleConnections+slowConnections+1000 {
		t.Skipf("this machine allows %d open files", limit.Max)
	}
	c := Start(t, Options{Settings: func(s *settings.Settings) { s.Edge.Memory = 16 << 20 }})
	landscape(c, "a.jpg")
	c.Get(t.Context(), c.Edges[0], "/unsafe/60x/a.jpg", bob).Wants(t, 200)
	c.Renders()
	before := heap(t)
	ready, end := attacker(t, "idle "+c.Edges[0].Addr())
	if word := <-ready; word != "ready" {
		t.Fatal(word)
	}
	answers, slowest := c.visit(t, "/unsafe/60x/a.jpg")
	open := int64(c.Edges[0].Metric(t, "thumbmill_edge_connections"))
	took := heap(t) - before
	end()
	t.Logf("%d connections use %d bytes each; %d good answers, the slowest in %v", open, took/open, answers, slowest)
	if open < idleConnections || took > each*open {
		t.Errorf("%d connections take %d MB", open, took>>20)
	}
}

// Rapid reset of HTTP/2: a client opens and cancels streams, one or a hundred at a time, as fast as
// one core allows.
func TestRapidReset(t *testing.T) {
	for _, atOnce := range []int{1, 100} {
		t.Run(strconv.Itoa(atOnce), func(t *testing.T) { rapidReset(t, atOnce) })
	}
}

func rapidReset(t *testing.T, atOnce int) {
	c := Start(t, Options{})
	landscape(c, "a.jpg")
	c.Get(t.Context(), c.Edges[0], "/unsafe/60x/a.jpg", bob).Wants(t, 200)
	c.Renders()
	before, goroutines := heap(t), runtime.NumGoroutine()
	_, end := attacker(t, fmt.Sprint("reset ", c.Edges[0].Addr(), " ", atOnce))
	answers, slowest := c.visit(t, "/unsafe/60x/a.jpg")
	streams := end()
	Eventually(t, "the goroutines of the streams have ended", func() bool { return runtime.NumGoroutine() < goroutines+50 })
	took := heap(t) - before
	t.Logf("%s streams were taken back; %d good answers, the slowest in %v; %d MB", streams, answers, slowest, took>>20)
	if len(streams) < 4 || took > 32<<20 {
		t.Errorf("%s streams, %d MB", streams, took>>20)
	}
}

// reset opens streams for missing thumbnails, and cancels them when atOnce are open.
func reset(address string, atOnce int, stop <-chan struct{}) (streams int64) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: time.Second} // not a trusted proxy's address
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return 0
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	_, _ = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	_, _ = conn.Write(frame(4, 0, 0, nil))
	var opened, taken []byte
	for id := uint32(1); id < 20_000; id += 2 {
		select {
		case <-stop:
			return streams
		default:
		}
		path := fmt.Sprintf("/unsafe/%dx/a.jpg", 100+rand.N(5000))
		// GET, http, the path and the host, as literals without indexing.
		block := append([]byte{0x82, 0x86, 0x04, byte(len(path))}, path...)
		block = append(block, 0x01, 1, 'x')
		opened, taken = append(opened, frame(1, 5, id, block)...), append(taken, frame(3, 0, id, []byte{0, 0, 0, 8})...)
		if streams++; streams%int64(atOnce) > 0 {
			continue
		}
		if _, err := conn.Write(append(opened, taken...)); err != nil {
			return streams
		}
		opened, taken = opened[:0], taken[:0]
	}
	return streams
}

// frame returns a frame of HTTP/2.
func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	head := bigendian.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = append(head, flags)
	return append(bigendian.BigEndian.AppendUint32(head, stream), payload...)
}
