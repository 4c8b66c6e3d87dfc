package gate

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// named is a protocol that says its name and then what it reads.
type named string

func (n named) Serve(conn net.Conn, in *bufio.Reader, ended func()) {
	defer ended()
	_, _ = io.WriteString(conn, string(n))
	_, _ = io.Copy(conn, in)
}

func start(t *testing.T, most int) (*Gate, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := New(named("classic "), named("native "), slog.New(slog.DiscardHandler))
	g.most = most
	var group sync.WaitGroup
	group.Go(func() { g.Serve(listener) })
	t.Cleanup(func() {
		_ = listener.Close()
		if err := g.Close(context.Background()); err != nil {
			t.Error(err)
		}
		group.Wait()
	})
	return g, listener.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

// Whatever the pieces in which the first line comes, the right protocol gets all
// of it; and PoolCounter's as soon as it can be no greeting.
func TestFirstBytes(t *testing.T) {
	_, address := start(t, MaxConnections)
	for _, c := range []struct {
		pieces []string
		want   string
	}{
		{[]string{"RELEASE\n"}, "classic RELEASE\n"},
		{[]string{"\n"}, "classic \n"},
		{[]string{"THUMBMILL/1 edge"}, "native THUMBMILL/1 edge"},
		{[]string{"T", "HUMB", "MILL/1", " ", "edge"}, "native THUMBMILL/1 edge"},
		{[]string{"THUMBMILL/2 edge"}, "classic THUMBMILL/2 edge"},
		{[]string{"THUMB", "S"}, "classic THUMBS"},
	} {
		conn := dial(t, address)
		for _, piece := range c.pieces {
			if _, err := io.WriteString(conn, piece); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		got := make([]byte, len(c.want))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != c.want {
			t.Errorf("%q: %q %v, want %q", c.pieces, got, err, c.want)
		}
	}
}

// Connections are counted until they end, bounded, and ended when the gate closes,
// those included that never say anything.
func TestConnections(t *testing.T) {
	g, address := start(t, 3)
	var conns []net.Conn
	for range 3 {
		conns = append(conns, dial(t, address))
	}
	for end := time.Now().Add(10 * time.Second); g.Connections() < 3 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if _, err := dial(t, address).Read(make([]byte, 1)); err == nil || g.Refused() != 1 {
		t.Errorf("a fourth: %v, %d refused", err, g.Refused())
	}
	_ = conns[0].Close()
	for end := time.Now().Add(10 * time.Second); g.Connections() > 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("an ended connection is still counted")
		}
	}
}
