package fleet

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// beats returns the processor times in milliseconds of a heartbeat at the edge, of the edge's report of a renderer at the
// coordinator, and of the edge in a second without heartbeats: 1,250 renderers of eight slots send four heartbeats a
// second.
func (s *site) beats() (edge, report, second float64) {
	s.t.Helper()
	const renderers, often, seconds = 1250, 4, 6
	conn, err := nats.Connect(s.queue.URL())
	s.must(err)
	defer conn.Close()
	resting := s.used()
	pass(seconds * time.Second) // nothing happens
	idle := s.used().less(resting)
	s.must(beat(conn, renderers, 1, true)) // the edge and the coordinator learn of the renderers
	pass(reportEvery)                      // longer than until the edge's next report
	before := s.used()
	s.must(beat(conn, renderers, often*seconds, false))
	u := s.used().less(before).less(idle)
	return milliseconds(u.edge) / (renderers * often * seconds), milliseconds(u.coordinator) / (renderers * seconds / reportEvery.Seconds()),
		milliseconds(idle.edge) / seconds
}

const reportEvery = 2 * time.Second // edge/internal/coordinators

// beat sends heartbeats of renderers, four times a second.
func beat(conn *nats.Conn, renderers, times int, described bool) error {
	description := renderjob.Heartbeat{EngineVersion: "8.14.1", Build: "0.10.0 (0123456789ab)", Versions: map[string]string{"libvips": "8.14.1"}}.Digested()
	ticks := time.NewTicker(time.Second / 4)
	defer ticks.Stop()
	for range times {
		<-ticks.C
		for i := range renderers {
			h := renderjob.Heartbeat{
				Version: renderjob.Version, Renderer: fmt.Sprint("renderer-", i), Digest: description.Digest, Slots: 8, Whole: 8, Busy: 6, InHand: 8, Batch: 8,
				Utilisation: .8125, Kills: map[string]int64{"memory": 2, "time": 11},
			}
			if described {
				h = h.With(description)
			}
			text, err := json.Marshal(h)
			if err == nil {
				err = conn.Publish(renderjob.HeartbeatSubject(h.Renderer), text)
			}
			if err != nil {
				return err
			}
		}
	}
	return conn.Flush()
}

// idleEdges returns the coordinator's processor time in milliseconds of a connected edge in a second, for its beats and its
// status: 400 edges are connected for five seconds.
func idleEdges(b *testing.B) float64 {
	b.Helper()
	const edges, seconds = 400, 5
	c := servers.StartCoordinator(b)
	var peers []*peer
	for i := range edges {
		peers = append(peers, greet(b, c, fmt.Sprint("edge-", i)))
	}
	before, _ := processes.Time(c.PID())
	ticks := time.NewTicker(lease.Beat)
	defer ticks.Stop()
	for round := range int(seconds * time.Second / lease.Beat) {
		<-ticks.C
		for _, p := range peers {
			p.beat(round)
		}
	}
	after, _ := processes.Time(c.PID())
	return milliseconds(after-before) / (edges * seconds)
}

// peer is an edge without requests.
type peer struct{ out *lease.Outbox }

func greet(b *testing.B, c *servers.Coordinator, name string) *peer {
	b.Helper()
	conn, err := net.Dial("tcp", c.Address)
	if err != nil {
		b.Fatal(err)
	}
	in := bufio.NewReaderSize(conn, lease.ReaderSize)
	if err := lease.Greet(conn, in, name, ""); err != nil {
		b.Fatal(err)
	}
	p := &peer{lease.NewOutbox(conn)}
	var both sync.WaitGroup
	both.Go(p.out.Write)
	both.Go(func() {
		for err := error(nil); err == nil; _, _, err = lease.ReadFrame(in) {
		}
	})
	b.Cleanup(func() { _ = conn.Close(); p.out.End(); both.Wait() })
	return p
}

// beat sends an edge's beat, and its status once a second.
func (p *peer) beat(round int) {
	p.out.Add(lease.AppendBeat)
	if round%int(time.Second/lease.Beat) == 0 {
		status := fmt.Sprintf(`{"coordinator":"bench","round":%d,"filler":%q}`, round, strings.Repeat("x", 2000))
		p.out.Add(func(out []byte) []byte { return lease.AppendStatus(out, status) })
	}
	p.out.Wake()
}
