package coordinator

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

// start starts a coordinator that ends with the test.
func start(t testing.TB, s settings.Coordinator) *Coordinator {
	t.Helper()
	if len(s.Listen) == 0 {
		s.Listen = []string{"127.0.0.1:0"}
	}
	if len(s.Classic) == 0 {
		s.Classic = settings.Default().Coordinator.Classic
	}
	c, err := New(Config{Settings: s, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// edge is a client of the native protocol that sends beats.
type edge struct {
	t    testing.TB
	conn net.Conn
	out  *lease.Outbox
	// answers holds answers in their order; a test may leave them unread.
	answers chan lease.Answer
	granted func(e *edge, id uint64) // gets the grants instead of answers, if set
}

func greet(t testing.TB, address, name, secret string) (net.Conn, *bufio.Reader, error) {
	t.Helper()
	conn, err := poolcounter.DialConn(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	in := bufio.NewReaderSize(conn, lease.ReaderSize)
	_ = conn.SetDeadline(time.Now().Add(patience))
	err = lease.Greet(conn, in, name, secret)
	_ = conn.SetDeadline(time.Time{})
	return conn, in, err
}

func connect(t testing.TB, address, name, secret string, rules ...lease.Rule) *edge {
	t.Helper()
	return connectGranting(t, address, name, secret, nil, rules...)
}

// connectGranting passes grants to a function instead of answers.
func connectGranting(t testing.TB, address, name, secret string, granted func(e *edge, id uint64), rules ...lease.Rule) *edge {
	t.Helper()
	conn, in, err := greet(t, address, name, secret)
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{t: t, conn: conn, out: lease.NewOutbox(conn), answers: make(chan lease.Answer, 10_000), granted: granted}
	ended := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background()) // beats go on in cleanups
	var group sync.WaitGroup
	group.Go(e.out.Write)
	group.Go(func() { defer stop(); defer close(ended); e.read(in) })
	group.Go(func() { periodic.Do(ctx, lease.Beat, func(context.Context) { e.send(lease.AppendBeat) }) })
	t.Cleanup(func() { _ = conn.Close(); <-ended; e.out.End(); group.Wait() })
	e.send(func(out []byte) []byte { return lease.AppendRules(out, rules) })
	return e
}

func (e *edge) read(in *bufio.Reader) {
	for {
		kind, body, err := lease.ReadFrame(in)
		if err != nil {
			return
		}
		if kind == lease.KindBeat {
			continue
		}
		a, err := lease.ParseAnswer(kind, body)
		if err != nil {
			e.t.Error(err)
			return
		}
		if e.granted != nil && a.Kind == lease.KindGranted {
			e.granted(e, a.ID)
			continue
		}
		e.answers <- a
	}
}

func (e *edge) send(frame func([]byte) []byte) {
	e.out.Add(frame)
	e.out.Wake()
}

// ask asks for one place in the pool of each rule, in order.
func (e *edge) ask(kind lease.Kind, id uint64, keys ...string) {
	q := lease.Request{ID: id, Wait: 60_000, Client: keys[0]}
	for i, key := range keys {
		q.Pools = append(q.Pools, lease.Pool{Rule: i, Places: 1, Key: key})
	}
	e.send(func(out []byte) []byte { return lease.AppendRequest(out, kind, q) })
}

func (e *edge) release(id uint64) {
	e.send(func(out []byte) []byte { return lease.AppendRelease(out, id, lease.Stored, "") })
}

func (e *edge) hear() lease.Answer {
	e.t.Helper()
	select {
	case a := <-e.answers:
		return a
	case <-time.After(patience):
		e.t.Fatal("no answer")
		return lease.Answer{}
	}
}

func (e *edge) hears(id uint64, kind lease.Kind) {
	e.t.Helper()
	if a := e.hear(); a.ID != id || a.Kind != kind {
		e.t.Errorf("got %+v, want answer %c to request %d", a, kind, id)
	}
}
