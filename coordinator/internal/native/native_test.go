package native

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/audit"
	"github.com/thumbmill/thumbmill/coordinator/internal/directives"
	"github.com/thumbmill/thumbmill/coordinator/internal/fleet"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// audience counts the edges that listen to a book of directives.
type audience struct {
	book  *directives.Book
	edges atomic.Int64
}

func (a *audience) Join(e directives.Edge)    { a.edges.Add(1); a.book.Join(e) }
func (a *audience) Leave(e directives.Edge)   { a.edges.Add(-1); a.book.Leave(e) }
func (a *audience) Receive(text string) error { return a.book.Receive(text) }

// journal keeps the log.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// coordinator is a server with all its parts.
type coordinator struct {
	server   *Server
	config   Config
	table    *pools.Table
	fleet    *fleet.Fleet
	book     *directives.Book
	audience *audience
	log      *journal
}

func newCoordinator(t *testing.T, secret string) *coordinator {
	t.Helper()
	c := &coordinator{table: pools.New(nil), fleet: fleet.New(), log: &journal{}}
	log := slog.New(slog.NewTextHandler(c.log, nil))
	acts, err := audit.Open("", log)
	if err != nil {
		t.Fatal(err)
	}
	c.book = directives.New(c.table, c.fleet, acts, log)
	t.Cleanup(func() { _ = c.book.Close() })
	c.audience = &audience{book: c.book}
	c.config = Config{Table: c.table, Activity: activity.New(), Fleet: c.fleet, Directives: c.audience, Secret: secret, Log: log}
	c.server = New(c.config)
	return c
}

// dial opens a connection. The server closes gone when it has ended the connection.
func (c *coordinator) dial(t *testing.T) (conn net.Conn, gone <-chan struct{}) {
	t.Helper()
	near, far := net.Pipe()
	ended, served := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(served)
		c.server.Serve(far, bufio.NewReaderSize(far, poolcounter.MaxLine), func() { close(ended) })
		_ = far.Close()
	}()
	t.Cleanup(func() { _ = near.Close(); <-served })
	return near, ended
}

type frame struct {
	kind lease.Kind
	body string
}

// edge is a client that keeps the frames that it reads.
type edge struct {
	conn  net.Conn
	gone  <-chan struct{}
	out   *lease.Outbox
	group sync.WaitGroup

	mu     sync.Mutex
	frames []frame
}

// read returns the frames so far.
func (e *edge) read() []frame {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.frames)
}

// connect greets, and then declares rules with the given workers for two kinds of pools.
func (c *coordinator) connect(t *testing.T, name string, workers uint32) *edge {
	t.Helper()
	conn, gone := c.dial(t)
	in := bufio.NewReaderSize(conn, lease.ReaderSize)
	if err := lease.Greet(conn, in, name, c.config.Secret); err != nil {
		t.Fatal(err)
	}
	e := &edge{conn: conn, gone: gone, out: lease.NewOutbox(conn)}
	e.group.Go(e.out.Write)
	e.group.Go(func() {
		for {
			kind, body, err := lease.ReadFrame(in)
			if err != nil {
				return
			}
			e.mu.Lock()
			e.frames = append(e.frames, frame{kind, body})
			e.mu.Unlock()
		}
	})
	t.Cleanup(func() { _ = conn.Close(); e.out.End(); e.group.Wait() })
	rules := []lease.Rule{{Name: "a", Workers: workers, MaxQueue: 3}, {Name: "b", Workers: workers, MaxQueue: 3}}
	e.send(func(out []byte) []byte { return lease.AppendRules(out, rules) })
	synctest.Wait()
	return e
}

// beat sends beats until the test ends.
func (e *edge) beat(t *testing.T) *edge {
	var beats sync.WaitGroup
	ctx := t.Context()
	beats.Go(func() { periodic.Do(ctx, lease.Beat, func(context.Context) { e.send(lease.AppendBeat) }) })
	t.Cleanup(beats.Wait)
	return e
}

func (e *edge) send(frames ...func([]byte) []byte) {
	for _, add := range frames {
		e.out.Add(add)
	}
	e.out.Wake()
}

// sendAndWait sends frames and waits until the server has handled them.
func (e *edge) sendAndWait(frames ...func([]byte) []byte) {
	e.send(frames...)
	synctest.Wait()
}

// answer returns the latest answer to a request; zero if there is none.
func (e *edge) answer(t *testing.T, id uint64) (latest lease.Answer) {
	t.Helper()
	for _, f := range e.read() {
		if f.kind == lease.KindBeat || f.kind == lease.KindDirective || f.kind == lease.KindTurned {
			continue
		}
		a, err := lease.ParseAnswer(f.kind, f.body)
		if err != nil {
			t.Error(err)
		}
		if a.ID == id {
			latest = a
		}
	}
	return latest
}

func (e *edge) wantAnswer(t *testing.T, id uint64, want lease.Kind) {
	t.Helper()
	if got := e.answer(t, id).Kind; got != want {
		t.Errorf("request %d: answer %q, want %q", id, got, want)
	}
}

func (e *edge) isConnected() bool {
	select {
	case <-e.gone:
		return false
	default:
		return true
	}
}

// request asks for a place in the pool of each rule, in order.
func request(kind lease.Kind, id uint64, thumbnail string, keys ...string) func([]byte) []byte {
	q := lease.Request{ID: id, Wait: 60_000, Client: "client", Thumbnail: thumbnail}
	for i, key := range keys {
		q.Pools = append(q.Pools, lease.Pool{Rule: i, Places: 1, Key: key})
	}
	return func(out []byte) []byte { return lease.AppendRequest(out, kind, q) }
}

func release(id uint64, outcome lease.Outcome, payload string) func([]byte) []byte {
	return func(out []byte) []byte { return lease.AppendRelease(out, id, outcome, payload) }
}

func status(json string) func([]byte) []byte {
	return func(out []byte) []byte { return lease.AppendStatus(out, json) }
}

func TestRequestsAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCoordinator(t, "")
		a, b := c.connect(t, "a", 1), c.connect(t, "b", 1)
		a.sendAndWait(request(lease.KindAcquire, 1, "thumbnail:x", "ip:x"))
		a.wantAnswer(t, 1, lease.KindGranted)
		b.sendAndWait(request(lease.KindAcquire, 1, "thumbnail:x", "ip:y"), request(lease.KindAcquire, 2, "", "ip:x"), request(lease.KindAcquire, 3, "", "ip:x"))
		a.sendAndWait(request(lease.KindAcquire, 4, "", "ip:x"))
		if got := a.answer(t, 4); got.Kind != lease.KindRefused || got.Pool != 0 || got.Reason != lease.Full {
			t.Errorf("the fourth request in a queue of three: %+v", got)
		}
		a.sendAndWait(release(1, lease.Faulty, "why"))
		if got := b.answer(t, 1); got.Kind != lease.KindFailed || got.Payload != "why" {
			t.Errorf("the answer after a faulty render: %+v", got)
		}
		b.wantAnswer(t, 2, lease.KindGranted)
		b.wantAnswer(t, 3, 0)
		if busiest := c.config.Activity.(*activity.Activity).Busiest(throttle.PerIP, activity.Requests); fmt.Sprint(busiest) != "[{x 4 } {y 1 }]" {
			t.Errorf("the busiest clients are %v", busiest)
		}
	})
}

func TestBeatsAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newCoordinator(t, "").connect(t, "e", 1)
		for range 3 {
			e.sendAndWait(lease.AppendBeat)
			time.Sleep(lease.Patience)
		}
		if !e.isConnected() || !slices.Equal(e.read(), []frame{{kind: lease.KindBeat}, {kind: lease.KindBeat}, {kind: lease.KindBeat}}) {
			t.Errorf("connected: %v, %v", e.isConnected(), e.read())
		}
	})
}

// congested is a fleet whose reports take until the channel is closed.
type congested chan struct{}

func (c congested) Note(string) error { <-c; return nil }

// An edge whose requests wait hears beats all the same. An idle coordinator beats no more often than the edge.
func TestABusyCoordinatorBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, way := newCoordinator(t, ""), make(congested)
		c.config.Fleet = way
		c.server = New(c.config)
		if err := c.server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.server.Stop(context.Background()) })
		e := c.connect(t, "e", 1).beat(t)
		beats := func(d time.Duration) int {
			before := len(e.read())
			time.Sleep(d)
			synctest.Wait()
			return len(e.read()) - before
		}
		e.send(func(out []byte) []byte { return lease.AppendFleet(out, "[]") })
		if n, least := beats(10*lease.Suspicion), 10; n < least {
			t.Errorf("a busy coordinator beats %d times in %v, want %d", n, 10*lease.Suspicion, least)
		}
		close(way)
		synctest.Wait()
		if n, most := beats(10*lease.Beat), 11; n > most {
			t.Errorf("an idle coordinator beats %d times in %v, want at most %d", n, 10*lease.Beat, most)
		}
	})
}

func TestHandshake(t *testing.T) {
	const secret = "0123456789abcdef"
	greeting := lease.Greeting + " e " + lease.Nonce() + "\n"
	for name, c := range map[string]struct {
		said   string
		hears  string // the start of the answer after the coordinator's greeting
		logged string
	}{
		"no proof":             {greeting + "PROOF -\n", lease.BadProof, "e does not know coordinator.secret"},
		"another word":         {greeting + "RELEASE\n", lease.BadProof, "e does not know coordinator.secret"},
		"no name":              {lease.Greeting + " \n", "", "greeting is malformed"},
		"an empty line":        {greeting + "\n", "", "has an empty line"},
		"a silent client":      {greeting, "", "i/o timeout"},
		"a line too long":      {strings.Repeat("x", 2*poolcounter.MaxLine), "", "buffer full"},
		"a client that leaves": {"", "", ""},
		"a nonce too short":    {lease.Greeting + " e 12\n", "", "greeting is malformed"},
		"a name with spaces":   {lease.Greeting + " a b " + lease.Nonce() + "\n", "", "greeting is malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				coordinator := newCoordinator(t, secret)
				conn, gone := coordinator.dial(t)
				go func() { _, _ = io.WriteString(conn, c.said) }()
				if c.said == "" {
					_ = conn.Close()
				}
				text, _ := io.ReadAll(conn)
				<-gone
				if _, after, _ := strings.Cut(string(text), "\n"); !strings.HasPrefix(after, c.hears) || c.hears == "" && after != "" {
					t.Errorf("heard %q", text)
				}
				if logged := coordinator.log.String(); c.logged == "" && logged != "" || !strings.Contains(logged, c.logged) {
					t.Errorf("logged %q, want %q", logged, c.logged)
				}
			})
		})
	}
	t.Run("the right secret", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { newCoordinator(t, secret).connect(t, "e", 1) })
	})
}

func TestBrokenFramesEndTheConnection(t *testing.T) {
	text := func(kind lease.Kind, body string) func([]byte) []byte {
		return func(out []byte) []byte {
			return append(append(out, 0, 0, 0, byte(len(body)+1), byte(kind)), body...)
		}
	}
	for name, broken := range map[string]func([]byte) []byte{
		"acquire":         text(lease.KindAcquire, ""),
		"claim":           text(lease.KindClaim, "\x01"),
		"turned away":     text(lease.KindTurned, ""),
		"spent":           text(lease.KindSpent, "\x01"),
		"release":         text(lease.KindRelease, "\x01\x09"),
		"rules":           text(lease.KindRules, "\xff"),
		"heartbeats":      text(lease.KindFleet, "{"),
		"an unknown kind": text('?', ""),
		"an answer":       text(lease.KindGranted, "\x01\x01\x00"),
		"a directive from an edge that takes none": text(lease.KindDirective, "{}"),
		"no kind":  func(out []byte) []byte { return append(out, 0, 0, 0, 0) },
		"too long": func(out []byte) []byte { return append(out, 255, 0, 0, 0, 'A') },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCoordinator(t, "")
				e, other := c.connect(t, "e", 1), c.connect(t, "other", 1)
				e.sendAndWait(broken)
				if e.isConnected() {
					t.Error("the client is still connected")
				}
				other.sendAndWait(request(lease.KindAcquire, 1, "", "ip:x"))
				other.wantAnswer(t, 1, lease.KindGranted)
			})
		})
	}
}

// A silent edge is gone: its waits end at once, its leases after the grace.
func TestASilentEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCoordinator(t, "")
		silent, other := c.connect(t, "silent", 1), c.connect(t, "other", 1).beat(t)
		other.sendAndWait(request(lease.KindAcquire, 1, "", "ip:x"))
		silent.sendAndWait(request(lease.KindAcquire, 1, "", "ip:y"), request(lease.KindAcquire, 2, "", "ip:x"))
		other.sendAndWait(request(lease.KindAcquire, 2, "", "ip:y"))
		time.Sleep(lease.Patience - lease.Beat)
		synctest.Wait()
		if !silent.isConnected() {
			t.Error("the coordinator dropped the edge too early")
		}
		time.Sleep(2*lease.Beat + time.Millisecond)
		synctest.Wait()
		counts, _, _ := c.table.Counts()
		if silent.isConnected() || counts.Waiting != 1 {
			t.Errorf("connected: %v, %d wait", silent.isConnected(), counts.Waiting)
		}
		other.wantAnswer(t, 2, 0)
		time.Sleep(lease.Grace)
		synctest.Wait()
		other.wantAnswer(t, 2, lease.KindGranted)
	})
}

// An edge keeps its leases for the grace after the loss of its connection. A second connection in its
// name ends the first.
func TestLeasesOutliveTheirConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCoordinator(t, "")
		first, other := c.connect(t, "e", 1).beat(t), c.connect(t, "other", 1).beat(t)
		first.sendAndWait(request(lease.KindAcquire, 1, "", "ip:x"))
		other.sendAndWait(request(lease.KindAcquire, 1, "", "ip:x"))
		again := c.connect(t, "e", 1).beat(t)
		if first.isConnected() || !again.isConnected() {
			t.Errorf("the first is connected: %v, the second: %v", first.isConnected(), again.isConnected())
		}
		again.sendAndWait(request(lease.KindClaim, 1, "", "ip:x"))
		time.Sleep(2 * lease.Grace)
		synctest.Wait()
		other.wantAnswer(t, 1, 0) // the lease was claimed
		_ = again.conn.Close()
		time.Sleep(lease.Grace)
		synctest.Wait()
		other.wantAnswer(t, 1, lease.KindGranted)
	})
}

// After an edge has moved here, the coordinator grants nothing for a while: other edges can claim their
// leases.
func TestMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour) // far from the zero time of an edge that never moved
		c := newCoordinator(t, "")
		a, b := c.connect(t, "a", 1).beat(t), c.connect(t, "b", 1).beat(t)
		a.sendAndWait(lease.AppendMoved, request(lease.KindAcquire, 1, "", "ip:x"))
		a.wantAnswer(t, 1, 0)
		b.sendAndWait(request(lease.KindClaim, 9, "", "ip:x"))
		time.Sleep(lease.Settling)
		synctest.Wait()
		a.wantAnswer(t, 1, 0)
		b.sendAndWait(release(9, lease.Stored, ""))
		a.wantAnswer(t, 1, lease.KindGranted)
	})
}

// Edges that leave a coordinator one after the other share one pause. A later move begins another.
func TestEdgesThatMoveTogetherShareAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		c := newCoordinator(t, "")
		first, late, later := c.connect(t, "first", 1).beat(t), c.connect(t, "late", 1).beat(t), c.connect(t, "later", 1).beat(t)
		first.sendAndWait(lease.AppendMoved)
		time.Sleep(lease.Settling + lease.Beat)
		late.sendAndWait(lease.AppendMoved, request(lease.KindAcquire, 1, "", "ip:x"))
		late.wantAnswer(t, 1, lease.KindGranted)
		time.Sleep(lease.Settling)
		later.sendAndWait(lease.AppendMoved, request(lease.KindAcquire, 1, "", "ip:y"))
		later.wantAnswer(t, 1, 0)
		time.Sleep(lease.Settling)
		synctest.Wait()
		later.wantAnswer(t, 1, lease.KindGranted)
	})
}

// heard returns the directives that an edge received.
func (e *edge) heard() (all []string) {
	for _, f := range e.read() {
		if f.kind == lease.KindDirective {
			all = append(all, f.body)
		}
	}
	return all
}

// Only edges that understand directives receive them.
func TestDirectives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCoordinator(t, "")
		given := func(target string) string {
			d, err := directive.New(directive.Directive{Kind: directive.Block, Target: target, Who: "ann", Why: "a test"}, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			return d.Encode()
		}
		first, second := given("192.0.2.0/24"), given("198.51.100.0/24")
		if err := c.book.Receive(first); err != nil {
			t.Fatal(err)
		}
		old, a, b := c.connect(t, "old", 1), c.connect(t, "a", 1), c.connect(t, "b", 1)
		old.sendAndWait(status(`{"version":"v1"}`), status("no JSON"))
		for range 2 { // a second status changes nothing
			a.sendAndWait(status(`{"directives":true}`))
			b.sendAndWait(status(`{"directives":true}`))
		}
		a.sendAndWait(func(out []byte) []byte { return lease.AppendDirective(out, second) })
		a.sendAndWait(func(out []byte) []byte { return lease.AppendDirective(out, `{"kind":"block"}`) })
		if !a.isConnected() || !strings.Contains(c.log.String(), "ignore a directive of an edge") {
			t.Errorf("a wrong directive: connected: %v, log: %s", a.isConnected(), c.log)
		}
		if got := b.heard(); !slices.Equal(got, []string{"", first, second}) {
			t.Errorf("heard %q", got)
		}
		if got := old.heard(); len(got) > 0 {
			t.Errorf("an edge that does not understand directives received %q", got)
		}
		if n := c.audience.edges.Load(); n != 2 {
			t.Errorf("%d edges receive directives", n)
		}
		_ = b.conn.Close()
		synctest.Wait()
		if n := c.audience.edges.Load(); n != 1 {
			t.Errorf("%d edges receive directives after one has left", n)
		}
		if views := c.table.View(0).Owners; len(views) != 3 || views[2].Status != "no JSON" {
			t.Errorf("%+v", views)
		}
	})
}

// Only edges that say so are invited to report the requests that they turn away. The coordinator counts
// such requests, and gives them no place and no answer.
func TestRequestsThatEdgesTurnAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCoordinator(t, "")
		old, e := c.connect(t, "old", 1), c.connect(t, "e", 1)
		old.sendAndWait(status(`{"directives":true}`))
		for range 2 { // a second status changes nothing
			e.sendAndWait(status(`{"directives":true,"turns_away":true}`))
		}
		invitations := func(e *edge) (n int) {
			for _, f := range e.read() {
				if f.kind == lease.KindTurned && f.body == "" {
					n++
				}
			}
			return n
		}
		if invitations(old) != 0 || invitations(e) != 1 {
			t.Errorf("invited %d and %d times", invitations(old), invitations(e))
		}
		turned := func(thumbnail string, pools ...lease.Pool) func([]byte) []byte {
			q := lease.Request{Client: "client", Thumbnail: thumbnail, Pools: pools}
			return func(out []byte) []byte { return lease.AppendTurned(out, lease.Full, q) }
		}
		e.sendAndWait(turned("thumbnail:x", lease.Pool{Places: 1, Key: "ip:x"}, lease.Pool{Rule: 1, Places: 1, Key: "original:o"}),
			turned("thumbnail:x", lease.Pool{Rule: 9, Places: 1, Key: "ip:x"}), turned("thumbnail:y"), request(lease.KindAcquire, 1, "thumbnail:x", "ip:x"))
		e.wantAnswer(t, 0, 0)
		e.wantAnswer(t, 1, lease.KindGranted)
		refused := c.config.Activity.(*activity.Activity).Busiest(throttle.PerIP, activity.Refusals)
		if counts, _, _ := c.table.Counts(); counts.FullQueues != 1 || counts.Waiting != 0 || !e.isConnected() {
			t.Errorf("%d refusals, %d wait; connected: %v; %v", counts.FullQueues, counts.Waiting, e.isConnected(), refused)
		}
	})
}

// The processor time of a render counts for the original of its lease.
func TestSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCoordinator(t, "")
		book := activity.New()
		c.table = pools.New(observer{activity: book})
		c.config.Table = c.table
		c.server = New(c.config)
		e := c.connect(t, "e", 1)
		e.sendAndWait(request(lease.KindAcquire, 1, "thumbnail:x", "original:o"),
			func(out []byte) []byte { return lease.AppendSpent(out, 1, 7000) },
			func(out []byte) []byte { return lease.AppendSpent(out, 2, 7000) })
		if all := book.Busiest(throttle.PerOriginal, activity.CPU); fmt.Sprint(all) != "[{o 7000 }]" || !e.isConnected() {
			t.Errorf("%v, connected: %v", all, e.isConnected())
		}
	})
}

// observer passes processor time on.
type observer struct{ activity *activity.Activity }

func (observer) Waited(throttle.Name, time.Duration)            {}
func (observer) Refused(string, string)                         {}
func (observer) Worked(string, bool, time.Duration)             {}
func (observer) Turned(string, throttle.Name)                   {}
func (observer) Ended(pools.Ended)                              {}
func (o observer) Spent(_, original string, took time.Duration) { o.activity.Spent(original, took) }

func TestHeartbeatsOfRenderers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCoordinator(t, "")
		e := c.connect(t, "e", 1)
		text, _ := json.Marshal([]renderjob.Heartbeat{{Renderer: "r", Slots: 4}})
		e.sendAndWait(func(out []byte) []byte { return lease.AppendFleet(out, string(text)) })
		if living := c.fleet.Living(); len(living) != 1 || living[0].Slots != 4 {
			t.Errorf("%+v", living)
		}
	})
}
