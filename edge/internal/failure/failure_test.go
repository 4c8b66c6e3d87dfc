package failure

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func local(t *testing.T) Counters {
	t.Helper()
	c, err := NewLocal()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func memcached(t *testing.T) Counters {
	t.Helper()
	return newMemcached(t, "", servers.Memcached(t))
}

func newMemcached(t *testing.T, ca string, addresses ...string) *Memcached {
	t.Helper()
	// The timeout is long, so the test does not fail on a busy machine.
	c, err := newWithin(10*time.Second, settings.Memcached{Servers: addresses, CA: ca}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Both implementations of Counters pass the same suite.
func TestCounters(t *testing.T) {
	t.Run("local", func(t *testing.T) { suite(t, local(t)) })
	t.Run("memcached", func(t *testing.T) { suite(t, memcached(t)) })
	t.Run("encrypted memcached", func(t *testing.T) {
		files := wire.Certificate(t, t.TempDir(), "memcached.example")
		address, _ := servers.StartMemcached(t, servers.FreeAddress(t), "-Z", "-o", "ssl_chain_cert="+files.Certificate+",ssl_key="+files.Key)
		suite(t, newMemcached(t, files.Certificate, address))
		if err := newMemcached(t, "", address).Add(t.Context(), "k", time.Hour); err == nil {
			t.Error("the server accepts a connection without encryption")
		}
	})
}

func suite(t *testing.T, c Counters) {
	ctx := t.Context()
	for range 12 {
		must(t, c.Add(ctx, "twelve", time.Hour))
	}
	must(t, c.Add(ctx, "brief", 2*time.Second))
	got, err := c.Counts(ctx, []string{"twelve", "brief", "never"})
	must(t, err)
	if got["twelve"] != 12 || got["brief"] != 1 || got["never"] != 0 {
		t.Errorf("counted %v", got)
	}
	eventually.Holds(t, 10*time.Second, "two seconds are over", func() bool {
		got, err = c.Counts(ctx, []string{"twelve", "brief"})
		must(t, err)
		return got["brief"] == 0
	})
	if got["twelve"] != 12 {
		t.Errorf("a count of an hour expired after seconds: %v", got)
	}
	must(t, c.Add(ctx, "brief", time.Hour))
	if got, _ := c.Counts(ctx, []string{"brief"}); got["brief"] != 1 {
		t.Errorf("an expired count goes on: %v", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCountsAreNarrow(t *testing.T) {
	ctx := t.Context()
	rules := settings.Failure{Max: 2, Duration: time.Hour, Prefix: "p-"}
	spec := thumbnail.Spec{Original: thumbnail.Location{Path: "a.tiff"}, Page: 1}
	key := func(width int) thumbnail.Location { return thumbnail.Location{Path: fmt.Sprint(width)} }
	fails := func(m *Memory, s thumbnail.Spec, width int, engines ...string) bool {
		err := m.Check(ctx, s, key(width), engines)
		if err != nil && !fault.Is(err, fault.Failing) {
			t.Fatal(err)
		}
		return err != nil
	}
	m := New(local(t), rules)
	for range rules.Max {
		must(t, m.Record(ctx, fault.New(fault.Undecodable, ""), spec, key(100), "v1"))
		must(t, m.Record(ctx, fault.New(fault.Overran, ""), thumbnail.Spec{Original: thumbnail.Location{Path: "slow.png"}, Width: 4000}, key(4000), "v1"))
		must(t, m.Record(ctx, fault.New(fault.OriginalStore, ""), thumbnail.Spec{Original: thumbnail.Location{Path: "good.png"}}, key(5), "v1"))
	}
	second := spec
	second.Page = 2
	slow, small := thumbnail.Spec{Original: thumbnail.Location{Path: "slow.png"}, Width: 4000}, thumbnail.Spec{Original: thumbnail.Location{Path: "slow.png"}, Width: 40}
	good := thumbnail.Spec{Original: thumbnail.Location{Path: "good.png"}}
	for name, c := range map[string]struct{ got, want bool }{
		"the bad page":                      {fails(m, spec, 100, "v1"), true},
		"the bad page at another size":      {fails(m, spec, 200, "v1"), true},
		"another page":                      {fails(m, second, 100, "v1"), false},
		"an upgraded engine":                {fails(m, spec, 100, "v2"), false},
		"a mixed fleet":                     {fails(m, spec, 100, "v1", "v2"), false},
		"no known engine":                   {fails(m, spec, 100), false},
		"the slow size":                     {fails(m, slow, 4000, "v1"), true},
		"a small size of the slow original": {fails(m, small, 40, "v1"), false},
		"an original after an outage":       {fails(m, good, 5, "v1"), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: refused is %v", name, c.got)
		}
	}
}

// A dead server costs one request its timeout, and later requests nothing. Requests use the server
// again after it answers a probe. A dead server never causes a refusal, and the keys of other
// servers stay readable.
func TestADeadMemcached(t *testing.T) {
	alive, dead := servers.Memcached(t), servers.FreeAddress(t)
	c := newMemcached(t, "", alive, dead)
	key := func(server int) string {
		for n := 0; ; n++ {
			if key := fmt.Sprint("k", n); c.ring.pick(key) == server {
				return key
			}
		}
	}
	must(t, c.Add(t.Context(), key(0), time.Hour))
	if err := c.Add(t.Context(), key(1), time.Hour); err == nil || errors.Is(err, errDown) {
		t.Errorf("first request to the dead server: %v", err)
	}
	counts, err := c.Counts(t.Context(), []string{key(0), key(1)})
	if !errors.Is(err, errDown) || counts[key(0)] != 1 {
		t.Errorf("%v, %v", counts, err)
	}
	err = New(c, settings.Failure{Max: 1, Duration: time.Hour}).Check(t.Context(), thumbnail.Spec{}, thumbnail.Location{Path: "x"}, []string{"v1"})
	if fault.Is(err, fault.Failing) {
		t.Errorf("got %v", err)
	}
	servers.StartMemcached(t, dead)
	eventually.Succeeds(t, 10*time.Second, "requests use the server that is back", func() error { return c.Add(t.Context(), key(1), time.Hour) })
}

// A server that refuses to store is not dead: its other answers still count.
func TestAFullMemcached(t *testing.T) {
	address, _ := servers.StartMemcached(t, servers.FreeAddress(t), "-M")
	c := newMemcached(t, "", address)
	must(t, c.Add(t.Context(), "counted", time.Hour))
	full := errors.New("")
	for n := 0; n < 100 && !strings.Contains(full.Error(), "SERVER_ERROR"); n++ {
		_ = c.Edit(t.Context(), fmt.Sprint("large", n), time.Hour, func([]byte) []byte { return make([]byte, 500_000) })
		if err := c.Add(t.Context(), fmt.Sprint("small", n), time.Hour); err != nil {
			full = err
		}
	}
	if err := c.Edit(t.Context(), "another", time.Hour, func([]byte) []byte { return make([]byte, 900_000) }); err == nil || errors.Is(err, errDown) {
		t.Errorf("%v, want the server's own error", err)
	}
	if counts, err := c.Counts(t.Context(), []string{"counted"}); err != nil || counts["counted"] != 1 {
		t.Errorf("%v, %v", counts, err)
	}
}

// A restart of a server loses its counts and its connections, but no request gets an error.
func TestARestartedMemcached(t *testing.T) {
	address, kill := servers.StartMemcached(t, servers.FreeAddress(t))
	c := newMemcached(t, "", address)
	must(t, c.Add(t.Context(), "k", time.Hour))
	kill()
	servers.StartMemcached(t, address)
	must(t, c.Add(t.Context(), "k", time.Hour))
}

// When a server leaves, the other servers keep their keys. Each of four servers has a quarter of
// all keys, within 30 %.
func TestKetama(t *testing.T) {
	names := []string{"10.0.1.1:11211", "10.0.1.2:11211", "10.0.1.3:11211", "10.0.1.4:11211"}
	all, fewer := newRing(names), newRing(names[:3])
	const keys = 20_000
	var share [4]int
	for n := range keys {
		key := fmt.Sprint("thumbmill-failure-", n)
		before, after := all.pick(key), fewer.pick(key)
		share[before]++
		if before < 3 && after != before {
			t.Fatalf("%s moved from %d to %d", key, before, after)
		}
	}
	for server, n := range share {
		if n < keys/4*7/10 || n > keys/4*13/10 {
			t.Errorf("server %d has %d of %d keys", server, n, keys)
		}
	}
}

// Operators see the failing originals of all edges with the reasons, and can clear an original.
func TestIndex(t *testing.T) {
	t.Run("local", func(t *testing.T) { indexSuite(t, local(t)) })
	t.Run("memcached", func(t *testing.T) { indexSuite(t, memcached(t)) })
}

func indexSuite(t *testing.T, c Counters) {
	ctx := t.Context()
	rules := settings.Failure{Max: 2, Duration: time.Hour, Prefix: "i-"}
	one, other := New(c, rules), New(c, rules)
	bad := thumbnail.Spec{Original: thumbnail.Location{Container: "c", Path: "bad.tiff"}, Page: 3}
	slow := thumbnail.Spec{Original: thumbnail.Location{Container: "c", Path: "slow.png"}}
	at := thumbnail.Location{Container: "t", Path: "4000px"}
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() { must(t, one.Record(ctx, fault.New(fault.Undecodable, "not a TIFF"), bad, at, "v1")) })
	}
	group.Wait()
	must(t, other.Record(ctx, fault.New(fault.Overran, "too slow"), slow, at, "v1"))
	failing, err := other.Failing(ctx)
	must(t, err)
	if len(failing) != 2 || failing[0].Original != slow.Original.String() || failing[0].Thumb != at.String() ||
		failing[1].Failures != 2 || failing[1].Message != "not a TIFF" || failing[1].Page != 3 {
		t.Errorf("%+v", failing)
	}
	must(t, one.Record(ctx, fault.New(fault.Undecodable, "not a TIFF"), bad, at, "v1"))
	again, err := other.Failing(ctx)
	must(t, err)
	if end := failing[1].Again; end.Before(failing[0].Last.Add(time.Hour-time.Minute)) || again[0].Failures != 3 || !again[0].Again.Equal(end) {
		t.Errorf("a later failure moves the end from %v to %v", end, again[0].Again)
	}
	if n, err := other.Clear(ctx, bad.Original.String()); n != 1 || err != nil {
		t.Errorf("cleared %d, %v", n, err)
	}
	if n, err := other.Clear(ctx, bad.Original.String()); n != 0 || err != nil {
		t.Errorf("cleared %d again, %v", n, err)
	}
	must(t, one.Check(ctx, bad, at, []string{"v1"}))
	if failing, _ = one.Failing(ctx); len(failing) != 1 {
		t.Errorf("%+v", failing)
	}
	for n := range parts * partLength * 8 / 5 { // more failures than the index lists
		s := thumbnail.Spec{Original: thumbnail.Location{Path: fmt.Sprint(n)}}
		must(t, one.Record(ctx, fault.New(fault.Undecodable, "x"), s, at, "v1"))
	}
	if failing, _ = one.Failing(ctx); len(failing) != parts*partLength {
		t.Errorf("the index lists %d originals, want %d", len(failing), parts*partLength)
	}
}

// A memcached that answers wrong data refuses nobody, and stops nobody.
func TestAMemcachedThatAnswersWrongData(t *testing.T) {
	for name, answer := range map[string]string{
		"another key":    "VALUE other 0 1\r\n9\r\nEND\r\n",
		"no number":      "VALUE k 0 3\r\nabc\r\nEND\r\n",
		"a huge length":  "VALUE k 0 99999999999\r\n9\r\nEND\r\n",
		"no length":      "VALUE k 0\r\nEND\r\n",
		"an error":       "SERVER_ERROR out of order\r\n",
		"another reply":  "STORED\r\n",
		"another server": "HTTP/1.1 400 Bad Request\r\n\r\n",
		"nothing":        "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := newMemcached(t, "", answers(t, answer))
			counts, err := c.Counts(t.Context(), []string{"k"})
			if counts["k"] != 0 || len(counts) > 1 {
				t.Errorf("%v, %v", counts, err)
			}
			memory := New(c, settings.Failure{Max: 1, Duration: time.Hour})
			if err := memory.Check(t.Context(), thumbnail.Spec{}, thumbnail.Location{Path: "x"}, []string{"v1"}); fault.Is(err, fault.Failing) {
				t.Errorf("an original is refused: %v", err)
			}
		})
	}
}

// answers starts a server that answers each line with the same text.
func answers(t *testing.T, text string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if _, err := conn.Write([]byte(text)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}
