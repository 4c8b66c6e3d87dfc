package classic

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/gate"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ours starts a server and returns its address and its table.
func ours(t testing.TB) (string, *pools.Table) {
	t.Helper()
	table := pools.New(nil)
	s, err := New(table, activity.New(), func() int64 { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(gate.Config{
		Listen: []string{"127.0.0.1:0"}, Classic: s, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	parts := service.Parts{s, g}
	if err := parts.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := parts.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return g.Addrs()[0], table
}

// client is a connection of a test.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func connect(t testing.TB, address string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) say(line string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(line)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) hear() string {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatalf("after %q: %v", line, err)
	}
	return line
}

func (c *client) hears(want string) {
	c.t.Helper()
	if got := c.hear(); got != want+"\n" {
		c.t.Errorf("heard %q, want %q", got, want)
	}
}

// waits checks that the client's request is one of n waiting requests and that the client has no
// answer. The test must wait here: the original drops a line that it reads together with an earlier
// line.
func (c *client) waits(n int) {
	c.t.Helper()
	control := connect(c.t, c.conn.RemoteAddr().String())
	eventually.Holds(c.t, 10*time.Second, fmt.Sprint(n, " wait"), func() bool {
		control.say("STATS waiting_workers\n")
		return control.hear() == fmt.Sprintf("waiting_workers: %d\n", n)
	})
	c.say("NONSENSE\n")
	c.hears("ERROR BAD_COMMAND")
}

// on runs a conversation against our server and the original.
func on(t *testing.T, conversation func(t *testing.T, address string)) {
	t.Run("ours", func(t *testing.T) {
		address, table := ours(t)
		drained(t, table)
		conversation(t, address)
	})
	t.Run("poolcounterd", func(t *testing.T) { conversation(t, servers.Poolcounterd(t)) })
}

// drained waits until all locks have ended with their connections.
func drained(t *testing.T, table *pools.Table) {
	t.Helper()
	t.Cleanup(func() {
		eventually.Succeeds(t, 10*time.Second, "all locks have ended", func() error {
			if c, _, _ := table.Counts(); c.Pools != 0 || c.Processing != 0 {
				return fmt.Errorf("the table is not empty: %+v", c)
			}
			return nil
		})
	})
}

func TestWords(t *testing.T) {
	on(t, func(t *testing.T, address string) {
		c := connect(t, address)
		for _, exchange := range [][2]string{
			{"RELEASE", "NOT_LOCKED"}, {"nonsense", "ERROR BAD_COMMAND"}, {"", "ERROR BAD_COMMAND"}, {"STATS", "ERROR BAD_COMMAND"},
			{"ACQ4ME", "ERROR BAD_COMMAND"}, {"ACQ4ME ", "ERROR BAD_SYNTAX"}, {"ACQ4ME k", "ERROR BAD_SYNTAX"},
			{"ACQ4ME k 0 1 1", "ERROR BAD_SYNTAX"}, {"ACQ4ME k 1 0 1", "ERROR BAD_SYNTAX"}, {"ACQ4ME k x 1 1", "ERROR BAD_SYNTAX"},
			{"ACQ4ME k 1 1", "LOCKED"}, {"ACQ4ME k 1 1 5", "QUEUE_FULL"}, {"ACQ4ME k 1 2 0", "TIMEOUT"}, {"ACQ4ANY k 1 2", "TIMEOUT"},
			{"ACQ4ANY l 1 1 1\r", "LOCKED"}, {"ACQ4ME m 1 1 1 extra", "LOCKED"}, {"ACQ4ME n 4294967297 1 1", "LOCKED"},
			{"ACQ4ME o 1 1 1", "LOCK_HELD"}, {"STATS hashtable_entries", "hashtable_entries: 4"},
			{"RELEASE", "RELEASED"}, {"RELEASE again", "RELEASED"}, {"RELEASEx", "RELEASED"}, {"RELEASE", "RELEASED"}, {"RELEASE", "NOT_LOCKED"},
			{"stats FULL", "ERROR BAD_COMMAND"}, {"STATS total_ACQUIRED", "total_acquired: 4"},
		} {
			c.say(exchange[0] + "\n")
			if got := c.hear(); got != exchange[1]+"\n" {
				t.Errorf("%q: heard %q, want %q", exchange[0], got, exchange[1])
			}
		}
	})
}

func TestWaiting(t *testing.T) {
	on(t, func(t *testing.T, address string) {
		a, b, c, d := connect(t, address), connect(t, address), connect(t, address), connect(t, address)
		a.say("ACQ4ME k 1 10 9\n")
		a.hears("LOCKED")
		b.say("ACQ4ANY k 1 10 9\n")
		b.waits(1)
		b.say("ACQ4ME other 1 10 9\n")
		b.hears("ERROR WAIT_FOR_RESPONSE")
		c.say("ACQ4ME k 1 10 9\n")
		c.waits(2)
		d.say("ACQ4ME k 1 3 9\n")
		d.hears("QUEUE_FULL")
		a.say("RELEASE\n") // the work is done: all waits for anyone end, and the next client for itself is let in
		a.hears("RELEASED")
		b.hears("DONE")
		c.hears("LOCKED")
		b.say("ACQ4ANY k 1 10 9\n")
		b.waits(1)
		_ = c.conn.Close() // the work is not done: the next client must do it
		b.hears("LOCKED")
		d.say("ACQ4ME k 1 10 1\n")
		d.hears("TIMEOUT")
		d.say("ACQ4ME k 1 10 9\n")
		d.waits(1)
		d.say("RELEASE\n") // RELEASE ends a wait like a lock
		d.hears("RELEASED")
		d.say("RELEASE\n")
		d.hears("NOT_LOCKED")
	})
}

func TestStats(t *testing.T) {
	on(t, func(t *testing.T, address string) {
		c := connect(t, address)
		c.say("STATS UPTIME\n")
		if line := c.hear(); !regexp.MustCompile(`^uptime: 0 days, 0h 0m \d+s\n$`).MatchString(line) {
			t.Errorf("uptime: %q", line)
		}
		c.say("STATS FULL\n")
		var names []string
		for {
			line := c.hear()
			if line == "\n" {
				break
			}
			name, value, _ := strings.Cut(line, ": ")
			if name != "uptime" && !regexp.MustCompile(`^(\d+|\d+\.\d{6}s)\n$`).MatchString(value) {
				t.Errorf("%q", line)
			}
			names = append(names, name)
		}
		want := "uptime total processing time average processing time gained time waiting time waiting time for me " +
			"waiting time for anyone waiting time for good wasted timeout time total_acquired total_releases hashtable_entries " +
			"processing_workers waiting_workers connect_errors failed_sends full_queues lock_mismatch lock_while_waiting release_mismatch processed_count"
		if got := strings.Join(names, " "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		c.say("STATS nothing\n")
		answer := make([]byte, len("ERROR WRONG_STAT"))
		if _, err := c.in.Read(answer); err != nil || string(answer) != "ERROR WRONG_STAT" {
			t.Errorf("unknown statistic: answer %q, error %v", answer, err)
		}
	})
}

func TestLongTimes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1500 * time.Millisecond: "1.500000s", 61 * time.Second: "1m 1.000000s", 2*time.Hour + time.Second: "2h 0m 1.000000s",
		50*time.Hour + 3*time.Minute: "2 days 2h 3m 0.000000s",
	} {
		if got := duration(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// Our server answers each line at its end, unlike Debian's build of the original.
func TestSplitAndJoinedLines(t *testing.T) {
	address, table := ours(t)
	drained(t, table)
	c := connect(t, address)
	c.say("ACQ4ME a 1 1 1\nACQ4ME b 1 1 1\nREL")
	c.hears("LOCKED")
	c.hears("LOCKED")
	c.say("EASE\n")
	c.hears("RELEASED")
}

// A line that never ends costs only the buffer of its connection.
func TestOverlongLines(t *testing.T) {
	on(t, func(t *testing.T, address string) {
		c := connect(t, address)
		for _, exchange := range [][2]string{
			{strings.Repeat("x", 1023), "ERROR BAD_COMMAND"}, {strings.Repeat("x", 1500), "ERROR BAD_COMMAND"},
			{"ACQ4ME k 1 1 1", "LOCKED"}, {strings.Repeat("x", 1024) + "RELEASE", "RELEASED"},
		} {
			c.say(exchange[0] + "\n")
			c.hears(exchange[1])
		}
	})
}

// A command during a wait does not end the time of the wait. (In the original it does: its event loop
// forgets the timeout, and the client waits for ever.)
func TestATimeoutOutlivesACommand(t *testing.T) {
	address, table := ours(t)
	drained(t, table)
	a, b := connect(t, address), connect(t, address)
	a.say("ACQ4ME k 1 9 9\n")
	a.hears("LOCKED")
	b.say("ACQ4ME k 1 9 1\n")
	b.say("ACQ4ME k 1 9 9\n")
	b.hears("ERROR WAIT_FOR_RESPONSE")
	b.hears("TIMEOUT")
}

// A client that does not read holds up nobody, and loses its locks in the end.
func TestAClientThatDoesNotRead(t *testing.T) {
	address, table := ours(t)
	drained(t, table)
	deaf, other := connect(t, address), connect(t, address)
	deaf.say("ACQ4ME k 1 9 9\n")
	deaf.hears("LOCKED")
	ended := make(chan struct{})
	go func() { // until the server disconnects
		defer close(ended)
		for {
			if _, err := deaf.conn.Write([]byte(strings.Repeat("STATS FULL\n", 1000))); err != nil {
				return
			}
		}
	}()
	other.say("ACQ4ME l 1 9 9\n")
	other.hears("LOCKED")
	other.say("ACQ4ME k 1 9 60\n")
	other.hears("LOCKED")
	<-ended
}

// Many random clients never push a pool above its limit, and leave nothing behind.
func TestLimitsHoldUnderLoad(t *testing.T) {
	address, table := ours(t)
	drained(t, table)
	const workers = 3
	var holders [4]atomic.Int64
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			for range 20 {
				conn, err := poolcounter.Dial(t.Context(), address)
				if err != nil {
					t.Error(err)
					return
				}
				for range random.IntN(6) {
					k := random.IntN(len(holders))
					answer, err := conn.Acquire(t.Context(), random.IntN(2) == 0, fmt.Sprintf("key:%d", k), poolcounter.Limits{Workers: workers, MaxQueue: 20, Timeout: 1})
					if err != nil {
						t.Error(err)
						break
					}
					if answer != poolcounter.Locked {
						continue
					}
					if n := holders[k].Add(1); n > workers {
						t.Errorf("%d holders in a pool of %d places", n, workers)
					}
					for range random.IntN(100) {
						runtime.Gosched() // let other clients in
					}
					holders[k].Add(-1)
					if err := conn.Release(t.Context()); err != nil {
						t.Error(err)
					}
				}
				_ = conn.Close()
			}
		})
	}
	group.Wait()
}

func FuzzConversation(f *testing.F) {
	f.Add([]byte("ACQ4ME k 1 2 0\nRELEASE\nSTATS FULL\n"))
	address, _ := ours(f)
	f.Fuzz(func(t *testing.T, said []byte) {
		c := connect(t, address)
		_, _ = c.conn.Write(said)
		_ = c.conn.Close()
	})
}
