package intake

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

const (
	soon = 10 * time.Second // bounds each wait
	lane = renderjob.LaneStandard
)

// pulling returns a puller on an empty queue.
func pulling(t *testing.T) (*servers.NATS, *puller) {
	t.Helper()
	server := servers.StartNATS(t)
	conn, err := queue.Connect(server.Settings(), "renderer", "r", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err == nil {
		err = queue.Open(t.Context(), js, settings.NATS{Replicas: 1})
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPuller(conn, lane)
	if err != nil {
		t.Fatal(err)
	}
	return server, p
}

// publish adds jobs to the lane.
func (p *puller) publish(t *testing.T, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if _, err := p.conn.Request(lane.Subject(), []byte(body), soon); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPulls(t *testing.T) {
	_, p := pulling(t)
	pull := func(wait time.Duration, want string) {
		t.Helper()
		got := ""
		m, err := p.pull(wait, nil)
		if m != nil {
			got = string(m.Data)
		}
		if err != nil || got != want {
			t.Errorf("after %v: %q %v, want %q", wait, got, err, want)
		}
	}
	pull(0, "")
	pull(time.Millisecond, "")
	if p.more {
		t.Error("the lane has jobs after a pull that found none")
	}
	p.publish(t, "a", "b")
	// NATS acknowledges a message before the consumer knows of it.
	p.awaits(t, "the jobs wait", func(c *jetstream.ConsumerInfo) bool { return c.NumPending == 2 })
	pull(0, "a")
	pull(soon, "b")
	pull(0, "")
	if late := p.close(); len(late) > 0 {
		t.Errorf("%d jobs arrived late", len(late))
	}
}

// A job that arrives after its pull is not lost.
func TestAJobThatArrivesLate(t *testing.T) {
	_, p := pulling(t)
	for _, number := range []string{"7", "8"} {
		if err := p.conn.PublishRequest(p.pulls, p.ends+number, []byte(`{"batch":1,"expires":20000000000}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	p.publish(t, "a", "b")
	if m, err := p.pull(soon, nil); err != nil || string(m.Data) != "a" {
		t.Errorf("%v %v", m, err)
	}
	eventually.Holds(t, soon, "the second job arrived", func() bool { return len(p.arrived) > 0 })
	if late := p.close(); len(late) != 1 || string(late[0].Data) != "b" {
		t.Errorf("late: %v", late)
	}
}

func TestPullsThatFail(t *testing.T) {
	server, p := pulling(t)
	p.pulls = "$JS.API.CONSUMER.MSG.NEXT." + queue.Stream + ".absent"
	if _, err := p.pull(soon, nil); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("without a consumer: %v", err)
	}
	server.Kill()
	eventually.Holds(t, soon, "the connection is lost", func() bool { return p.conn.Status() != nats.CONNECTED })
	if _, err := p.pull(soon, nil); !errors.Is(err, errNoServer) {
		t.Errorf("without a server: %v", err)
	}
	p.close()
}

// A pull ends when the renderer stops, and when NATS may have lost it. The job that comes then goes to another renderer.
func TestPullsThatEnd(t *testing.T) {
	_, p := pulling(t)
	stop := make(chan struct{})
	for name, end := range map[string]func(){"lost": p.pullAgain, "stopped": func() { close(stop) }} {
		ended := make(chan error, 1)
		go func() {
			m, err := p.pull(time.Minute, stop)
			if m != nil {
				err = errors.New("a job came")
			}
			ended <- err
		}()
		p.awaits(t, "a pull waits", func(c *jetstream.ConsumerInfo) bool { return c.NumWaiting > 0 })
		end()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	other, err := newPuller(p.conn, lane)
	if err != nil {
		t.Fatal(err)
	}
	late := p.close()
	other.publish(t, "a")
	if m, err := other.pull(soon, nil); err != nil || m == nil || string(m.Data) != "a" || len(late) > 0 {
		t.Errorf("the other renderer gets %v, %v; %d came late", m, err, len(late))
	}
	other.close()
}

// awaits waits for a state of the lane's consumer at the server.
func (p *puller) awaits(t *testing.T, what string, reached func(*jetstream.ConsumerInfo) bool) {
	t.Helper()
	js, err := jetstream.New(p.conn)
	if err != nil {
		t.Fatal(err)
	}
	eventually.Holds(t, soon, what, func() bool {
		c, err := js.Consumer(t.Context(), queue.Stream, lane.Consumer())
		return err == nil && reached(c.CachedInfo())
	})
}
