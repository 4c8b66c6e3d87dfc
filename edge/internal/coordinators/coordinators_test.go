package coordinators

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/periodic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	limit    = 4
	patience = 20 * time.Second
)

func newEdge(t *testing.T, name string, addresses ...string) *Coordinators {
	t.Helper()
	return newEdgeWith(t, name, "", addresses...)
}

func newEdgeWith(t *testing.T, name, secret string, addresses ...string) *Coordinators {
	t.Helper()
	return newEncryptedEdge(t, name, secret, nil, addresses...)
}

func newEncryptedEdge(t *testing.T, name, secret string, trust *tls.Config, addresses ...string) *Coordinators {
	t.Helper()
	return newLimitedEdge(t, name, secret, trust, limit, addresses...)
}

// newCapaciousEdge returns an edge whose pools have more places than a benchmark needs.
func newCapaciousEdge(b *testing.B, name string, addresses ...string) *Coordinators {
	b.Helper()
	return newLimitedEdge(b, name, "", nil, 100_000, addresses...)
}

func newLimitedEdge(t testing.TB, name, secret string, trust *tls.Config, workers uint32, addresses ...string) *Coordinators {
	t.Helper()
	known := directive.NewSet(func() {})
	t.Cleanup(known.Close)
	cs := New(Config{
		Servers: addresses, Name: name, Secret: secret, TLS: trust, Directives: known, Fleet: func() []string { return nil },
		Rules: func() []lease.Rule {
			return []lease.Rule{{Name: "lane", Workers: workers, MaxQueue: max(1000, workers)}}
		},
		Status: func(asked string, _ map[string]string) string { return fmt.Sprintf(`{"coordinator":%q}`, asked) },
		Log:    slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	t.Cleanup(cs.Close)
	return cs
}

func request(client string) lease.Request {
	return lease.Request{Client: client, Wait: 20_000, Pools: []lease.Pool{{Rule: 0, Places: 1, Key: "lane:x"}}}
}

// load acquires and releases leases on several edges all the time.
type load struct {
	t       *testing.T
	held    atomic.Int64
	grants  atomic.Int64
	most    atomic.Int64 // leases held at once since the last Swap
	refused atomic.Int64
	stop    context.CancelFunc
	group   sync.WaitGroup
}

func newLoad(t *testing.T, edges ...*Coordinators) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{t: t, stop: cancel}
	for i, e := range edges {
		for n := range 6 {
			l.group.Go(func() { l.acquireAndRelease(ctx, e, fmt.Sprint(i, "-", n)) })
		}
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) end() { l.stop(); l.group.Wait() }

func (l *load) acquireAndRelease(ctx context.Context, e *Coordinators, client string) {
	for ctx.Err() == nil {
		held, answer, err := e.Acquire(ctx, request(client))
		switch {
		case ctx.Err() != nil:
		case err != nil:
			l.t.Errorf("no coordinator answered in time: %v", err)
			return
		case held == nil:
			l.refused.Add(1)
			l.t.Errorf("%+v", answer)
		}
		if held == nil {
			continue
		}
		now := l.held.Add(1)
		for most := l.most.Load(); now > most && !l.most.CompareAndSwap(most, now); most = l.most.Load() {
		}
		l.grants.Add(1)
		_ = periodic.Sleep(ctx, time.Duration(5+rand.IntN(40))*time.Millisecond) // like a render
		l.held.Add(-1)
		held.Release(lease.Stored, "")
	}
}

// goesOn waits for n more grants.
func (l *load) goesOn(n int64) {
	l.t.Helper()
	want := l.grants.Load() + n
	eventually.Holds(l.t, patience, fmt.Sprintf("%d more leases are granted", n), func() bool { return l.grants.Load() >= want })
}

// asked returns the connection to the coordinator that an edge asks, and its address: nil and ""
// while no coordinator answers.
func asked(e *Coordinators) (*conn, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if first := e.preferred(); first != nil {
		return first.conn, first.address
	}
	return nil, ""
}

// moved waits until an edge asks a coordinator over a connection that is not the earlier one.
func moved(t *testing.T, e *Coordinators, earlier *conn, to string) {
	t.Helper()
	eventually.Holds(t, patience, "an edge asks "+to+" over a new connection", func() bool {
		c, address := asked(e)
		return c != earlier && address == to
	})
}

// waits waits until an edge has a request under way.
func waits(t *testing.T, e *Coordinators) {
	t.Helper()
	eventually.Holds(t, patience, "a request is under way", func() bool {
		c, _ := asked(e)
		if c == nil {
			return false
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.answers) > 0
	})
}

// The test kills, restarts, stops and continues a coordinator under load. No edge is ever without
// a coordinator. No pool has more leases than its limit, except in the window that PROTOCOL.md
// names: there it has at most twice as many.
func TestCoordinatorsThatFail(t *testing.T) {
	first, second := servers.StartCoordinator(t), servers.StartCoordinator(t)
	var edges []*Coordinators
	for i := range 3 {
		edges = append(edges, newEdge(t, fmt.Sprint("edge-", i), first.Address, second.Address))
	}
	l := newLoad(t, edges...)
	for _, event := range []struct {
		name string
		do   func() // nil: nothing
		to   *servers.Coordinator
	}{
		{"nothing", nil, first},
		{"the first is killed", first.Kill, second},
		{"the first is back", first.Start, first},
		{"the first is stopped", first.Stop, second},
		{"the first goes on", first.Continue, first},
		{"the first restarts", func() { first.Kill(); first.Start() }, first},
	} {
		if event.do != nil {
			var earlier []*conn
			for _, e := range edges {
				c, _ := asked(e)
				earlier = append(earlier, c)
			}
			event.do()
			for i, e := range edges {
				moved(t, e, earlier[i], event.to.Address)
			}
		}
		l.goesOn(40)
		during := l.most.Swap(0)
		after := 2 * limit
		for range 3 { // a machine that stalls for lease.Silence moves the edges once more
			l.goesOn(100)
			if after = int(l.most.Swap(0)); after <= limit {
				break
			}
		}
		t.Logf("%s: at most %d leases in the window, %d after it", event.name, during, after)
		if during > 2*limit || after > limit {
			t.Errorf("%s: %d leases in the window, %d after it", event.name, during, after)
		}
	}
	for _, e := range edges {
		if address, state := e.First(t.Context()); address != first.Address || state != Native {
			t.Errorf("the edge asks %s, state %d", address, state)
		}
	}
}

// An edge that suspects its coordinator claims its leases at the next one, and goes on asking the first. The leases end at
// both.
func TestASuspicion(t *testing.T) {
	first, second := servers.StartCoordinator(t), servers.StartCoordinator(t)
	e := newEdge(t, "a", first.Address, second.Address)
	h, _, err := e.Acquire(t.Context(), request("x"))
	if err != nil || h == nil {
		t.Fatal(err)
	}
	leases := func(c *servers.Coordinator, want int) {
		t.Helper()
		eventually.Holds(t, patience, fmt.Sprintf("%s has %d leases", c.Address, want), func() bool {
			return statistic(t, c.Address, "processing_workers") == fmt.Sprint("processing_workers: ", want)
		})
	}
	eventually.Holds(t, patience, "the edge knows the next coordinator", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.after(e.links[0]) != nil
	})
	for range 2 { // the second suspicion changes nothing
		e.suspect(e.links[0])
		leases(second, 1)
	}
	if c, address := asked(e); c == nil || address != first.Address {
		t.Errorf("the edge asks %s", address)
	}
	leases(first, 1)
	h.Release(lease.Stored, "")
	leases(first, 0)
	leases(second, 0)
}

// A lease that gives back the places of one pool keeps the others, at the next coordinator too.
func TestALeaseNarrows(t *testing.T) {
	first, second := servers.StartCoordinator(t), servers.StartCoordinator(t)
	a := newEdge(t, "a", first.Address, second.Address)
	wide := func(lane string) lease.Request {
		r := request("x")
		r.Wait = 1000 // longer than a coordinator settles
		r.Pools = []lease.Pool{{Key: "lane:" + lane, Places: 1}, {Key: "ip:x", Places: limit}}
		return r
	}
	h, _, err := a.Acquire(t.Context(), wide("l"))
	if err != nil || h == nil {
		t.Fatal(err)
	}
	h.Narrow(func(p lease.Pool) bool { return p.Key == "lane:l" })
	alone := request("y")
	alone.Wait, alone.Pools = 1000, []lease.Pool{{Key: "lane:l", Places: limit}}
	free, answer, err := a.Acquire(t.Context(), alone)
	if err != nil || free == nil {
		t.Fatalf("the dropped pool is not free: %+v, %v", answer, err)
	}
	free.Release(lease.Stored, "")
	if other, _, err := a.Acquire(t.Context(), wide("m")); other != nil || err != nil {
		t.Errorf("the kept pool is free: %v", err)
	}
	first.Kill()
	eventually.Holds(t, patience, "the next coordinator answers", func() bool {
		address, _ := a.First(t.Context())
		return address == second.Address
	})
	if other, _, err := a.Acquire(t.Context(), wide("n")); other != nil || err != nil {
		t.Errorf("the kept pool is free at the next coordinator: %v", err)
	}
	h.Release(lease.Stored, "")
	last, answer, err := a.Acquire(t.Context(), wide("o"))
	if err != nil || last == nil {
		t.Fatalf("a pool is held after the release: %+v, %v", answer, err)
	}
	last.Release(lease.Stored, "")
}

// An edge reports the requests that it turns away to a coordinator that counts them, and to no other: the
// coordinator asks only edges whose status says that they can.
func TestRequestsTurnedAway(t *testing.T) {
	c := servers.StartCoordinator(t)
	status := func(turns bool) func(string, map[string]string) string {
		return func(string, map[string]string) string {
			return fmt.Sprintf(`{"directives":true,"turns_away":%v}`, turns)
		}
	}
	known := directive.NewSet(func() {})
	t.Cleanup(known.Close)
	edge := func(name string, turns bool) *Coordinators {
		cs := New(Config{
			Servers: []string{c.Address}, Name: name, Directives: known, Fleet: func() []string { return nil },
			Rules: func() []lease.Rule { return []lease.Rule{{Name: "lane", Workers: limit, MaxQueue: 1000}} }, Status: status(turns),
			Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		})
		t.Cleanup(cs.Close)
		becomes(t, cs, Native)
		return cs
	}
	counts := func(cs *Coordinators) bool {
		cs.mu.Lock()
		defer cs.mu.Unlock()
		return cs.asked != nil && cs.asked.counts
	}
	willing, unasked := edge("a", true), edge("b", false)
	eventually.Holds(t, patience, "the coordinator counts", func() bool { return counts(willing) })
	eventually.Holds(t, patience, "the coordinator knows the other edge", func() bool {
		unasked.mu.Lock()
		defer unasked.mu.Unlock()
		return unasked.asked != nil && unasked.asked.willing
	})
	for _, cs := range []*Coordinators{willing, unasked} {
		cs.TurnAway(request("x"), lease.Full)
		h, _, err := cs.Acquire(t.Context(), request("y")) // its answer comes after the coordinator has read the report
		if err != nil || h == nil {
			t.Fatal(err)
		}
		h.Release(lease.Stored, "")
	}
	if full := statistic(t, c.Address, "full_queues"); counts(unasked) || full != "full_queues: 1" {
		t.Errorf("the other edge is asked: %v; the coordinator counts %s, want 1", counts(unasked), full)
	}
}

// statistic asks for a line of a coordinator's statistics, in PoolCounter's protocol.
func statistic(t *testing.T, address, name string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "STATS "+name+"\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// Leases count at the next coordinator too, until the edge releases them.
func TestALeaseMoves(t *testing.T) {
	first, second := servers.StartCoordinator(t), servers.StartCoordinator(t)
	a, b := newEdge(t, "a", first.Address, second.Address), newEdge(t, "b", first.Address, second.Address)
	var held []*Lease
	for range limit {
		h, _, err := a.Acquire(t.Context(), request("x"))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, h)
	}
	granted := make(chan *Lease, 1)
	go func() {
		h, _, err := b.Acquire(t.Context(), request("y"))
		if err != nil {
			t.Error(err)
		}
		granted <- h
	}()
	waits(t, b)
	first.Kill()
	late := request("z")
	late.Wait = uint64((2 * lease.Grace).Milliseconds()) // longer than leases may wait for their claim
	if h, answer, err := b.Acquire(t.Context(), late); h != nil || err != nil || len(granted) > 0 {
		t.Fatalf("the next coordinator grants more than the limit: %+v, %v", answer, err)
	}
	held[0].Release(lease.Stored, "")
	h := <-granted
	held[0].Release(lease.Stored, "") // the second release changes nothing
	h.Release(lease.Stored, "")
	for _, h := range held[1:] {
		h.Release(lease.Stored, "")
	}
}

// The edge recognises the original daemon, and leaves it to the caller. When nothing listens, the
// caller learns that in less than a second.
func TestClassicAndDown(t *testing.T) {
	original := servers.Poolcounterd(t)
	e := newEdge(t, "a", servers.FreeAddress(t), original)
	if address := becomes(t, e, Classic); address != original {
		t.Errorf("the edge asks %s", address)
	}
	if _, _, err := e.Acquire(t.Context(), request("x")); err == nil {
		t.Error("a daemon without leases granted a lease")
	}
	alone := newEdge(t, "b", servers.FreeAddress(t))
	if _, state := alone.First(t.Context()); state != Down {
		t.Errorf("nothing listens, and the state is %d", state)
	}
}

// Edges notice when a coordinator replaces the original daemon at the same address.
func TestAnUpgrade(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	var accepting, group sync.WaitGroup
	var conns []net.Conn
	accepting.Go(func() { // like the original daemon, it does not know the greeting
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns = append(conns, conn)
			group.Go(func() {
				for in := bufio.NewReader(conn); err == nil; _, err = io.WriteString(conn, "ERROR BAD_COMMAND\n") {
					if _, err = in.ReadString('\n'); err != nil {
						return
					}
				}
			})
		}
	})
	e := newEdge(t, "a", address)
	becomes(t, e, Classic)
	guarded := newEdgeWith(t, "b", "0123456789abcdef", address)
	if _, state := guarded.First(t.Context()); state != Down {
		t.Errorf("the daemon cannot prove the secret, and the state is %d", state)
	}
	_ = listener.Close()
	accepting.Wait()
	for _, conn := range conns {
		_ = conn.Close()
	}
	group.Wait()
	servers.StartCoordinatorAt(t, address)
	becomes(t, e, Native)
}

// becomes waits until the asked coordinator has a state, and returns its address.
func becomes(t *testing.T, e *Coordinators, want State) (address string) {
	t.Helper()
	eventually.Succeeds(t, patience, fmt.Sprintf("the state is %d", want), func() error {
		var state State
		if address, state = e.First(t.Context()); state != want {
			return fmt.Errorf("the state is %d", state)
		}
		return nil
	})
	return address
}

// A coordinator accepts an edge with the same secret, and refuses an edge with another or none.
func TestSecrets(t *testing.T) {
	c := servers.StartCoordinator(t, "THUMBMILL_COORDINATOR_SECRET=0123456789abcdef")
	for secret, want := range map[string]State{"0123456789abcdef": Native, "fedcba9876543210": Down, "": Down} {
		e := newEdgeWith(t, "edge-"+secret, secret, c.Address)
		if want == Native {
			becomes(t, e, want)
		} else if _, state := e.First(t.Context()); state != want {
			t.Errorf("secret %q: state %d", secret, state)
		}
	}
}

// The end of a lease reaches the edges that wait for its thumbnail, also when the connection is
// lost at that moment.
func TestAnOutcomeOutlivesAConnection(t *testing.T) {
	c := servers.StartCoordinator(t)
	cable := wire.New(t, c.Address)
	a, b := newEdge(t, "a", cable.Addr()), newEdge(t, "b", c.Address)
	thumbnail := request("x")
	thumbnail.Thumbnail = "thumbnail:t"
	held, _, err := a.Acquire(t.Context(), thumbnail)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan lease.Answer, 1)
	go func() {
		_, answer, err := b.Acquire(t.Context(), thumbnail)
		if err != nil {
			t.Error(err)
		}
		answers <- answer
	}()
	waits(t, b)
	passing, _, err := b.Acquire(t.Context(), request("y")) // its answer comes after the coordinator has read the earlier request
	if err != nil {
		t.Fatal(err)
	}
	passing.Release(lease.Stored, "")
	cable.Cut()
	eventually.Holds(t, patience, "the edge loses its coordinator", func() bool {
		c, _ := asked(a)
		return c == nil
	})
	held.Release(lease.Faulty, "why")
	cable.Mend()
	if answer := <-answers; answer.Kind != lease.KindFailed || answer.Payload != "why" {
		t.Errorf("%+v", answer)
	}
}

// Edges and coordinators encrypt if the settings say so, and check certificate and secret.
func TestEncryption(t *testing.T) {
	files := wire.Certificate(t, t.TempDir(), "coordinator.example")
	const secret = "a secret of both"
	c := servers.StartCoordinator(t, "THUMBMILL_COORDINATOR_SECRET="+secret,
		"THUMBMILL_COORDINATOR_TLS_CERTIFICATE="+files.Certificate, "THUMBMILL_COORDINATOR_TLS_KEY="+files.Key)
	trust, err := certificate.Trust(files.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	other, err := certificate.Trust(wire.Certificate(t, t.TempDir(), "coordinator.example").Certificate)
	if err != nil {
		t.Fatal(err)
	}
	held, answer, err := newEncryptedEdge(t, "edge", secret, trust, c.Address).Acquire(t.Context(), request("x"))
	if err != nil || held == nil {
		t.Fatalf("%+v %v", answer, err)
	}
	held.Release(lease.Stored, "")
	for name, e := range map[string]*Coordinators{
		"another's certificate": newEncryptedEdge(t, "edge-2", secret, other, c.Address),
		"no encryption":         newEdgeWith(t, "edge-3", secret, c.Address),
		"no secret":             newEncryptedEdge(t, "edge-4", "", trust, c.Address),
	} {
		if held, _, err := e.Acquire(t.Context(), request("x")); held != nil || err == nil {
			t.Errorf("%s: the coordinator granted a lease", name)
		}
	}
}
