package presence

import (
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/queues"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

const patience = 10 * time.Second

func present(t *testing.T, name string, conn *nats.Conn, m *memory) *Presence {
	t.Helper()
	p, err := New(name, conn, m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEdgesHearEachOther(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t)
	one := present(t, "one", queues.Connect(t, s), &memory{})
	defer one.Close()
	other := present(t, "other", queues.Connect(t, s), &memory{})
	eventually.Holds(t, patience, "both edges hear both", func() bool {
		byOne, _ := one.Edges()
		byOther, _ := other.Edges()
		return one.Hears() && other.Hears() && len(byOne) == 2 && slices.Equal(byOne, byOther)
	})
	other.Close()
	eventually.Holds(t, patience, "the other has left", func() bool {
		live, vanished := one.Edges()
		return slices.Equal(live, []string{"one"}) && len(vanished) == 0
	})
}

func TestAPurgeIsAnswered(t *testing.T) {
	conn, m := queues.Connect(t, servers.StartNATS(t)), &memory{}
	p := present(t, "one", conn, m)
	defer p.Close()
	answer, err := conn.Request(renderjob.PurgeSubject, []byte(`{"version":1,"originals":[{"path":"a.jpg"}]}`), patience)
	if err != nil || string(answer.Data) != "one" {
		t.Fatalf("answer %v, %v", answer, err)
	}
	if purged, _ := m.forgotten(); purged != 1 {
		t.Errorf("%d purges before the answer, want 1", purged)
	}
}

// A broken connection can lose purges, so the edge forgets everything. Handlers that were set before
// are still called.
func TestABrokenConnection(t *testing.T) {
	t.Parallel()
	var broken, again atomic.Int32
	conn := queues.Connect(t, servers.StartNATS(t), nats.DisconnectErrHandler(func(*nats.Conn, error) { broken.Add(1) }), nats.ReconnectHandler(func(*nats.Conn) { again.Add(1) }))
	m := &memory{}
	p := present(t, "one", conn, m)
	defer p.Close()
	eventually.Holds(t, patience, "the edge hears", p.Hears)
	_, before := m.forgotten()
	if err := conn.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	eventually.Holds(t, patience, "the edge hears again, and has forgotten everything at the break, at the reconnect and at its own announcement", func() bool {
		_, lost := m.forgotten()
		return lost >= before+3 && p.Hears()
	})
	if broken.Load() != 1 || again.Load() != 1 {
		t.Errorf("earlier handlers: %d calls for the break, %d for the reconnect; want 1 and 1", broken.Load(), again.Load())
	}
}

// NATS drops messages of an edge that is too slow. A dropped message may be a purge.
func TestDroppedMessages(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t)
	var failed atomic.Pointer[error]
	conn := queues.Connect(t, s, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { failed.Store(&err) }))
	m := &memory{busy: make(chan struct{})}
	p := present(t, "one", conn, m)
	defer p.Close()
	eventually.Holds(t, patience, "the edge hears", p.Hears)
	_, before := m.forgotten()
	if err := p.heard.SetPendingLimits(2, -1); err != nil {
		t.Fatal(err)
	}
	speaker := queues.Connect(t, s)
	if err := speaker.Publish(renderjob.PurgeSubject, []byte(`{"version":1}`)); err != nil { // waits for m.busy
		t.Fatal(err)
	}
	for range 5 { // more than fit behind the purge
		if err := speaker.Publish(renderjob.EdgeSubject("loud"), nil); err != nil {
			t.Fatal(err)
		}
	}
	eventually.Holds(t, patience, "everything is forgotten", func() bool {
		_, lost := m.forgotten()
		return lost > before && !p.Hears()
	})
	close(m.busy)
	eventually.Holds(t, patience, "the edge hears again", p.Hears)
	if err := failed.Load(); err == nil || !strings.Contains((*err).Error(), nats.ErrSlowConsumer.Error()) {
		t.Errorf("the earlier handler got %v, want %v", err, nats.ErrSlowConsumer)
	}
}

func TestAQueueThatIsGone(t *testing.T) {
	conn := queues.Connect(t, servers.StartNATS(t))
	conn.Close()
	if _, err := New("one", conn, &memory{}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("New returned a presence on a closed connection")
	}
}
