package purge

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/queues"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// hear answers each purge once with each of answers. The channel gets the purges.
func hear(t *testing.T, conn *nats.Conn, answers ...string) <-chan renderjob.Purge {
	t.Helper()
	heard := make(chan renderjob.Purge, 1)
	_, err := queue.Subscribe(conn, renderjob.PurgeSubject, func(m *nats.Msg) {
		var p renderjob.Purge
		if err := json.Unmarshal(m.Data, &p); err != nil {
			t.Errorf("%q: %v", m.Data, err)
		}
		heard <- p
		for _, name := range answers {
			if err := queue.Answer(m, name); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return heard
}

// patience bounds the wait for answers that come.
const patience = 10 * time.Second

func TestAnswersOverTheQueue(t *testing.T) {
	conn := queues.Connect(t, servers.StartNATS(t))
	originals := []thumbnail.Location{{Container: "c", Path: "a.jpg"}, {Path: "a.jpg"}}
	heard := hear(t, conn, "stranger", "edge", "edge", "renderer")
	answered, silent := overQueue{conn, patience}.tellToForget(t.Context(), originals, []string{"renderer", "edge"})
	if !slices.Equal(answered, []string{"edge", "renderer"}) || len(silent) > 0 {
		t.Errorf("answered %v, silent %v", answered, silent)
	}
	if got := <-heard; got.Version != renderjob.Version || !slices.Equal(got.Originals, originals) {
		t.Errorf("heard %+v", got)
	}
}

// A purge without names reaches every listener, and waits for no answer.
func TestAPurgeWithoutNames(t *testing.T) {
	conn := queues.Connect(t, servers.StartNATS(t))
	heard := hear(t, conn)
	answered, silent := overQueue{conn, patience}.tellToForget(t.Context(), nil, nil)
	if len(answered)+len(silent) > 0 {
		t.Errorf("answered %v, silent %v", answered, silent)
	}
	<-heard
}

// An answer after the time limit counts as silence, and does not disturb the next purge.
func TestALateAnswer(t *testing.T) {
	conn := queues.Connect(t, servers.StartNATS(t))
	asked := make(chan *nats.Msg, 2)
	if _, err := queue.Subscribe(conn, renderjob.PurgeSubject, func(m *nats.Msg) { asked <- m }); err != nil {
		t.Fatal(err)
	}
	answered, silent := overQueue{conn, 50 * time.Millisecond}.tellToForget(t.Context(), nil, []string{"late"})
	if len(answered) > 0 || !slices.Equal(silent, []string{"late"}) {
		t.Errorf("answered %v, silent %v", answered, silent)
	}
	if err := queue.Answer(<-asked, "late"); err != nil {
		t.Fatal(err)
	}
	go func() { _ = queue.Answer(<-asked, "late") }()
	if answered, _ = (overQueue{conn, patience}).tellToForget(t.Context(), nil, []string{"late"}); !slices.Equal(answered, []string{"late"}) {
		t.Errorf("the next purge: answered %v", answered)
	}
}

func TestAQueueThatIsGone(t *testing.T) {
	conn := queues.Connect(t, servers.StartNATS(t))
	conn.Close()
	answered, silent := overQueue{conn, patience}.tellToForget(t.Context(), nil, []string{"edge"})
	if len(answered) > 0 || !slices.Equal(silent, []string{"edge"}) {
		t.Errorf("answered %v, silent %v", answered, silent)
	}
}
