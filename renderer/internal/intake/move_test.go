package intake

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// moves is a processor whose jobs belong to another lane.
type moves struct{ err *Moved }

func (m moves) Process(context.Context, <-chan struct{}, Delivery) error { return m.err }

// bound lowers the number of jobs that each lane of the queue takes, and returns the stream.
func bound(t *testing.T, js jetstream.JetStream, most int64) jetstream.Stream {
	t.Helper()
	stream, err := js.Stream(t.Context(), queue.Stream)
	if err != nil {
		t.Fatal(err)
	}
	c := stream.CachedInfo().Config
	c.MaxMsgsPerSubject = most
	if _, err := js.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return stream
}

// The edge hears that a job moved once the queue has the job in its other lane, and not if that lane is full.
func TestTheEdgeHearsOfAMove(t *testing.T) {
	for name, c := range map[string]struct {
		why  error
		lane renderjob.Lane
		slow bool
	}{
		"long": {ErrLong, renderjob.LaneExpensive, false},
		"slow": {ErrSlow, renderjob.LaneBulk, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, p := pulling(t)
			js, err := jetstream.New(p.conn)
			if err != nil {
				t.Fatal(err)
			}
			stream, told := bound(t, js, 1), 0
			there := func() (j renderjob.Job) {
				if m, err := stream.GetLastMsgForSubject(t.Context(), c.lane.Subject()); err == nil {
					j, _ = renderjob.ReadJob(m.Header, m.Data)
				}
				return j
			}
			tell := func() {
				if j := there(); j.ID != "first" || j.Lane != c.lane || j.Slow != c.slow {
					t.Errorf("the queue has %+v when the edge hears of the move", j)
				}
				told++
			}
			in := New(Config{JetStream: js, Slots: 1, Processor: moves{&Moved{c.why, tell}}, Log: slog.New(slog.DiscardHandler)})
			acknowledgements, err := p.conn.SubscribeSync("receipts.*")
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range []string{"first", "second"} {
				in.process(receipt{p.conn, "receipts." + id}, Delivery{Job: renderjob.Job{ID: id, Lane: lane, DeadlineMS: soon.Milliseconds()}, Deliveries: 1, Arrived: time.Now()})
				if told != 1 {
					t.Fatalf("after %d jobs for a lane with room for one, the edge heard of %d", i+1, told)
				}
			}
			if err := p.conn.Flush(); err != nil {
				t.Fatal(err)
			}
			m, err := acknowledgements.NextMsg(soon)
			if n, _, _ := acknowledgements.Pending(); err != nil || m.Subject != "receipts.first" || n != 0 {
				t.Errorf("%+v is acknowledged, then %d others, %v; want the first job alone", m, n, err)
			}
		})
	}
}

// movesOnce is a processor whose jobs belong to the expensive lane.
type movesOnce struct{ lanes []renderjob.Lane }

func (m *movesOnce) Process(_ context.Context, _ <-chan struct{}, d Delivery) error {
	if m.lanes = append(m.lanes, d.Job.Lane); d.Job.Lane == renderjob.LaneExpensive {
		return nil
	}
	return &Moved{ErrLong, func() { panic("no queue has the job in another lane") }}
}

// A job that an edge could not publish goes on in its place when the queue does not take it into its other lane either.
func TestAMoveWithoutTheQueue(t *testing.T) {
	_, p := pulling(t)
	js, err := jetstream.New(p.conn)
	if err != nil {
		t.Fatal(err)
	}
	bound(t, js, 1)
	if _, err := js.Publish(t.Context(), renderjob.LaneExpensive.Subject(), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	m := &movesOnce{}
	in := New(Config{JetStream: js, Slots: 1, Processor: m, Log: slog.New(slog.DiscardHandler)})
	in.process(receipt{p.conn, ""}, Delivery{Job: renderjob.Job{ID: "direct", Lane: lane, DeadlineMS: soon.Milliseconds()}, Deliveries: 1, Arrived: time.Now()})
	if !slices.Equal(m.lanes, []renderjob.Lane{lane, renderjob.LaneExpensive}) {
		t.Errorf("the job was drawn in the lanes %v", m.lanes)
	}
}
