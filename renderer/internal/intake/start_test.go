package intake

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The servers do not answer about a stream while it has no leader, such as after all servers started. The intake asks
// again.
func TestAStartWithoutALeader(t *testing.T) {
	_, p := pulling(t)
	asked := 0
	_, err := p.conn.Subscribe("WITHOUT.LEADER.>", func(m *nats.Msg) {
		if asked++; asked == 1 {
			return
		}
		answer, err := p.conn.Request(strings.Replace(m.Subject, "WITHOUT.LEADER", "$JS.API", 1), m.Data, soon)
		if err == nil {
			err = m.Respond(answer.Data)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.NewWithAPIPrefix(p.conn, "WITHOUT.LEADER")
	if err != nil {
		t.Fatal(err)
	}
	in := New(Config{JetStream: js, Slots: 1, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := in.Start(ctx); err != nil {
		t.Error(err)
	}
	if err := in.Stop(ctx); err != nil {
		t.Error(err)
	}
}
