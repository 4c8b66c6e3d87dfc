package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// heartbeats returns the processor time in milliseconds in which NATS delivers one heartbeat to one edge: twenty edges
// hear 1,250 renderers for three seconds.
func heartbeats(b *testing.B, server *servers.NATS) float64 {
	b.Helper()
	const edges, renderers, seconds = 20, 1250, 3
	heard := make(chan struct{}, edges)
	for range edges {
		conn, n := connect(b, server), 0
		if _, err := conn.Subscribe(renderjob.AllHeartbeats, func(*nats.Msg) {
			if n++; n == renderers*seconds {
				heard <- struct{}{}
			}
		}); err != nil {
			b.Fatal(err)
		}
		if err := conn.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	beat, from := make([]byte, 230), connect(b, server) // the usual size without a description
	before, _ := processes.Time(server.PID())
	const together = 50 // sent as evenly as renderers send
	ticks := time.NewTicker(time.Second * together / renderers)
	defer ticks.Stop()
	for i := range renderers * seconds {
		if i%together == 0 {
			<-ticks.C
		}
		if err := from.Publish(renderjob.HeartbeatSubject(fmt.Sprint("renderer-", i%renderers)), beat); err != nil {
			b.Fatal(err)
		}
	}
	for range edges {
		<-heard
	}
	after, _ := processes.Time(server.PID())
	return float64((after - before).Microseconds()) / 1000 / (edges * renderers * seconds)
}

// looks returns the processor time in milliseconds of one of an edge's questions about the queue.
func looks(b *testing.B, server *servers.NATS) float64 {
	b.Helper()
	const n = 3000
	js, err := jetstream.New(connect(b, server))
	if err != nil {
		b.Fatal(err)
	}
	stream, err := js.Stream(b.Context(), queue.Stream)
	if err != nil {
		b.Fatal(err)
	}
	before, _ := processes.Time(server.PID())
	for range n {
		if _, err := stream.Info(b.Context(), jetstream.WithSubjectFilter("render.job.>")); err != nil {
			b.Fatal(err)
		}
	}
	after, _ := processes.Time(server.PID())
	return float64((after - before).Microseconds()) / 1000 / n
}

func connect(b *testing.B, server *servers.NATS) *nats.Conn {
	b.Helper()
	conn, err := nats.Connect(server.URL())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	return conn
}
