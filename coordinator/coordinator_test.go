package coordinator

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func rules(workers uint32) []lease.Rule {
	return []lease.Rule{{Name: "ip", Workers: workers, MaxQueue: 1_000_000}, {Name: "original", Workers: workers, MaxQueue: 1_000_000}}
}

// Both protocols share the pools, over every kind of address.
func TestAddresses(t *testing.T) {
	socket := "unix:" + filepath.Join(t.TempDir(), "s")
	listen := []string{"127.0.0.1:0", socket}
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		_ = l.Close()
		listen = append(listen, "[::1]:0")
	}
	c := start(t, settings.Coordinator{Listen: listen})
	for i, address := range c.Addrs() {
		e := connect(t, address, fmt.Sprint("edge-", i), "", rules(1)...)
		e.ask(lease.KindAcquire, 1, "ip:x", "original:y")
		e.hears(1, lease.KindGranted)
		classic, err := poolcounter.Dial(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		limits := poolcounter.Limits{Workers: 1, MaxQueue: 9, Timeout: 0}
		if answer, err := classic.Acquire(t.Context(), false, "original:y", limits); answer != poolcounter.Timeout || err != nil {
			t.Errorf("%s: %s %v", address, answer, err)
		}
		e.release(1)
		e.ask(lease.KindAcquire, 2, "ip:x")
		e.hears(2, lease.KindGranted)
		if answer, err := classic.Acquire(t.Context(), false, "original:y", limits); answer != poolcounter.Locked || err != nil {
			t.Errorf("%s: %s %v", address, answer, err)
		}
		_ = classic.Close()
		e.release(2)
	}
}

// A socket that a killed coordinator left does not stop a new coordinator; the socket of a living
// coordinator does.
func TestASocketThatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	_ = left.Close()
	start(t, settings.Coordinator{Listen: []string{"unix:" + path}})
	config := Config{Settings: settings.Coordinator{Listen: []string{"unix:" + path}}, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()}
	if _, err := New(config); err == nil || !strings.Contains(err.Error(), "coordinator.listen") {
		t.Errorf("a second coordinator listens on the socket: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	config.Settings.Listen = []string{"unix:" + file}
	if _, err := New(config); err == nil {
		t.Error("the coordinator replaced a file that is not a socket")
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("the file now holds %q", text)
	}
}

func TestSecret(t *testing.T) {
	const secret = "0123456789abcdef"
	guarded, open := start(t, settings.Coordinator{Secret: secret}), start(t, settings.Coordinator{})
	for name, c := range map[string]struct {
		address, secret string
		fails           bool
	}{
		"right":                          {guarded.Addr(), secret, false},
		"wrong":                          {guarded.Addr(), "fedcba9876543210", true},
		"none":                           {guarded.Addr(), "", true},
		"no secret on either side":       {open.Addr(), "", false},
		"a coordinator without a secret": {open.Addr(), secret, true},
	} {
		if _, _, err := greet(t, c.address, "edge", c.secret); (err != nil) != c.fails {
			t.Errorf("%s: %v", name, err)
		}
	}
	e := connect(t, guarded.Addr(), "edge", secret, rules(1)...)
	e.ask(lease.KindAcquire, 1, "ip:x")
	e.hears(1, lease.KindGranted)
}

// An edge that never reads its answers costs a bounded amount of memory, and disturbs nobody.
func TestAnEdgeThatDoesNotRead(t *testing.T) {
	c := start(t, settings.Coordinator{})
	conn, _, err := greet(t, c.Addr(), "deaf", "")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		frames := lease.AppendRules(nil, rules(1))
		for id := uint64(1); ; id++ {
			frames = lease.AppendRequest(frames, lease.KindAcquire, lease.Request{ID: id, Pools: []lease.Pool{{Rule: 0, Places: 1, Key: "ip:deaf"}}})
			if len(frames) > 60_000 {
				if _, err := conn.Write(frames); err != nil {
					return
				}
				frames = frames[:0]
			}
		}
	}()
	e := connect(t, c.Addr(), "edge", "", rules(1)...)
	for id := uint64(1); id <= 1000; id++ {
		e.ask(lease.KindAcquire, id, "ip:x")
		e.hears(id, lease.KindGranted)
		e.release(id)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("an edge that does not read is still connected")
	}
}

// With THUMBMILL_MANY_WAITERS, a hundred thousand requests wait on ten thousand connections, of both protocols and for the
// same original. The coordinator serves and drains them all.
func TestManyWaiters(t *testing.T) {
	const edges = 20
	connections, each := 10_000-edges, 4500
	if os.Getenv("THUMBMILL_MANY_WAITERS") == "" {
		connections, each = 500, 500
	}
	connections = min(connections, mostOpenFiles()/2-100)
	c := servers.StartCoordinator(t)
	address, admin := c.Address, c.Admin
	blocker := connect(t, address, "blocker", "", rules(1)...)
	blocker.ask(lease.KindAcquire, 1, "ip:blocker", "original:hot")
	blocker.hears(1, lease.KindGranted)

	var granted atomic.Int64
	for i := range edges {
		e := connectGranting(t, address, fmt.Sprint("edge-", i), "", func(e *edge, id uint64) { granted.Add(1); e.release(id) }, rules(1)...)
		for id := range each {
			e.ask(lease.KindAcquire, uint64(id), fmt.Sprintf("ip:%d-%d", i, id%100), "original:hot")
		}
	}
	var group sync.WaitGroup
	for range connections {
		conn, err := poolcounter.Dial(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			defer func() { _ = conn.Close() }()
			limits := poolcounter.Limits{Workers: 1, MaxQueue: 1_000_000, Timeout: 100}
			if answer, err := conn.Acquire(t.Context(), false, "original:hot", limits); answer != poolcounter.Locked || err != nil {
				t.Errorf("%s %v", answer, err)
			}
			granted.Add(1)
		})
	}
	all := int64(edges*each + connections)
	eventually.Holds(t, patience, "all requests wait", func() bool { return fetch(t, admin).Pools[0].Waiters == uint32(all) })
	memory := resident(t, admin)
	began := time.Now()
	blocker.release(1)
	group.Wait()
	eventually.Holds(t, patience, "all requests were granted and released", func() bool {
		return granted.Load() == all && len(fetch(t, admin).Pools) == 0
	})
	t.Logf("%d waiters on %d connections: %s bytes resident, drained in %v", all, connections+edges, memory, time.Since(began))
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func fetch(t *testing.T, admin string) (r Throttles) {
	t.Helper()
	if err := json.Unmarshal(get(t, admin+"/api/v1/throttles?pools=1"), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// resident returns the memory of the process by its own metrics.
func resident(t *testing.T, admin string) string {
	t.Helper()
	for line := range strings.SplitSeq(string(get(t, admin+"/metrics")), "\n") {
		if value, ok := strings.CutPrefix(line, "process_resident_memory_bytes "); ok {
			return value
		}
	}
	return "unknown"
}

func mostOpenFiles() int {
	entries, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return 1024
	}
	for line := range strings.SplitSeq(string(entries), "\n") {
		var soft int
		if n, _ := fmt.Sscanf(line, "Max open files %d", &soft); n == 1 {
			return soft
		}
	}
	return 1024
}

// throttles returns the report with one pool.
func throttles(t *testing.T, c *Coordinator) (r Throttles) {
	t.Helper()
	w := httptest.NewRecorder()
	c.API().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/throttles?pools=1", nil))
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatalf("%v: %q", err, w.Body)
	}
	return r
}

// The report shows operators the requests and the status of edges.
func TestReport(t *testing.T) {
	c := start(t, settings.Coordinator{})
	a := connect(t, c.Addr(), "a", "", lease.Rule{Name: "ip", Workers: 2, MaxQueue: 3})
	b := connect(t, c.Addr(), "b", "", lease.Rule{Name: "ip", Workers: 1, MaxQueue: 3})
	b.send(func(out []byte) []byte { return lease.AppendStatus(out, `{"breakers":{"queue":"open"}}`) })
	b.ask(lease.KindAcquire, 9, "ip:z")
	b.hears(9, lease.KindGranted)
	for id := uint64(1); id <= 3; id++ {
		a.ask(lease.KindAcquire, id, "ip:x")
	}
	a.hears(1, lease.KindGranted)
	// The coordinator reads the connections concurrently.
	eventually.Holds(t, patience, "two requests wait", func() bool { return throttles(t, c).Pools[0].Waiters == 2 })
	b.ask(lease.KindAcquire, 1, "ip:x")
	b.hears(1, lease.KindRefused)
	r := throttles(t, c)
	if p := r.Pools[0]; p.Key != "ip:x" || p.Holders != 1 || p.Limit != 1 || p.MaxQueue != 3 || r.Omitted != 1 {
		t.Errorf("%+v", r)
	}
	if ip := r.Classes[r.Pools[0].Class]; ip.Holders != 2 || ip.Waiters != 2 || ip.Full != 1 || ip.NearLimit == 0 {
		t.Errorf("%+v", ip)
	}
	if len(r.Rules) != 1 || r.Rules[0].Workers != 1 || r.Rules[0].Differing["a"].Workers != 2 {
		t.Errorf("%+v", r.Rules)
	}
	if busy := r.Busiest; busy.Clients[0].Name != "x" || busy.Clients[0].Count != 4 || busy.RefusedClients[0].Name != "x" {
		t.Errorf("%+v", busy)
	}
	if len(r.Edges) != 2 || r.Edges[0].Leases != 1 || r.Edges[0].Waiting != 2 || r.Edges[1].Status.Breakers["queue"] != "open" {
		t.Errorf("%+v", r.Edges)
	}
}

// The coordinator serves other clients after any bytes behind a greeting.
func FuzzNative(f *testing.F) {
	f.Add(lease.AppendRequest(lease.AppendRules(nil, rules(1)), lease.KindAcquire, lease.Request{ID: 1, Thumbnail: "thumbnail:t", Pools: []lease.Pool{{Rule: 0, Places: 1, Key: "ip:x"}}}))
	f.Add(lease.AppendTurned(lease.AppendRules(nil, rules(1)), lease.Full, lease.Request{Pools: []lease.Pool{{Rule: 0, Places: 1, Key: "ip:x"}}}))
	f.Add(lease.AppendRelease(lease.AppendRequest(nil, lease.KindClaim, lease.Request{ID: 1, Thumbnail: "thumbnail:t"}), 1, lease.Faulty, "x"))
	c := start(f, settings.Coordinator{})
	good, id := connect(f, c.Addr(), "good", "", rules(1)...), uint64(0)
	f.Fuzz(func(t *testing.T, frames []byte) {
		conn, _, err := greet(t, c.Addr(), fmt.Sprint("fuzz-", rand.IntN(3)), "")
		if err != nil {
			t.Skip(err) // another client took the name meanwhile
		}
		_, _ = conn.Write(frames)
		_ = conn.Close()
		id++
		good.ask(lease.KindAcquire, id, "ip:good")
		if a := <-good.answers; a.ID != id || a.Kind != lease.KindGranted {
			t.Errorf("%+v", a)
		}
		good.release(id)
	})
}
