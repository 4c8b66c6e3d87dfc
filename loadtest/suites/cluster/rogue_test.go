package cluster

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// rogue is a renderer that an attacker controls. deploy/credentials defines the subjects that it
// may publish. Here it tries to make others publish for it: an edge, which answers to the reply
// subject of a question, and JetStream, which does not check whether the asker may publish to the
// reply subject.
type rogue struct {
	t     *testing.T
	conn  *nats.Conn
	heard *nats.Subscription // all messages
}

func newRogue(t *testing.T, c *Cluster) *rogue {
	t.Helper()
	conn, err := nats.Connect(c.Queue.URL())
	c.must(err)
	t.Cleanup(conn.Close)
	heard, err := conn.SubscribeSync(">")
	c.must(err)
	c.must(conn.Flush())
	return &rogue{t, conn, heard}
}

// has sends a question with a reply subject. An answer that must not come gives no sign: the question comes
// again with a proper reply subject, and has waits for that answer. The first one was given before.
func (r *rogue) has(asked, answer string, body []byte) {
	r.t.Helper()
	proper := r.conn.NewRespInbox()
	for _, reply := range []string{answer, proper} {
		if err := r.conn.PublishRequest(asked, reply, body); err != nil {
			r.t.Fatal(err)
		}
	}
	for {
		m, err := r.heard.NextMsg(patience)
		if err != nil {
			r.t.Fatalf("nobody answers %s: %v", asked, err)
		}
		if m.Subject == proper {
			return
		}
	}
}

// drains reports whether the renderer drains, by its next report.
func (r *rogue) drains(renderer string) bool {
	r.t.Helper()
	for {
		m, err := r.heard.NextMsg(patience)
		if err != nil {
			r.t.Fatal(err)
		}
		if m.Subject != renderjob.HeartbeatSubject(renderer) {
			continue
		}
		var h renderjob.Heartbeat
		if err := json.Unmarshal(m.Data, &h); err != nil {
			r.t.Fatal(err)
		}
		return h.Directed
	}
}

// next returns the subject on which a renderer pulls jobs.
func next(lane renderjob.Lane) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + queue.Stream + "." + lane.Consumer()
}

func TestARogueRendererHasNobodySpeakForIt(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Settings: func(s *settings.Settings) { s.Upload = settings.Upload{Subject: "uploads", Widths: []int{40}} }})
	landscape(c, "a.jpg")
	release := c.Hooks.Hold()
	busy := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice)
	Eventually(t, "the only slot is taken", func() bool { return c.Hooks.Held() == 1 })
	c.Fill(renderjob.LaneStandard, 3)
	r := newRogue(t, c)
	r.emptiesTheQueue(c)
	r.speaksToEdges(c)
	renderer := c.Renderers[0].Name()
	r.endsADrain(c, renderer)
	r.answersAPurge(c)
	c.must(r.conn.Publish(renderjob.ControlSubject(renderer), []byte(`{"drain_ms":0}`)))
	release()
	(<-busy).Wants(t, 200)
	Eventually(t, "all jobs are done", func() bool { return c.Jobs() == 0 })
}

// emptiesTheQueue tries to make an edge empty the queue.
func (r *rogue) emptiesTheQueue(c *Cluster) {
	r.t.Helper()
	emptied := "$JS.API.STREAM.PURGE." + queue.Stream
	begins, err := renderjob.Result{Version: 1, JobID: "nobody's", State: renderjob.StateStarted}.Message(c.Edges[0].Name())
	c.must(err)
	begins.Reply = emptied
	c.must(r.conn.PublishMsg(begins))
	r.has(renderjob.ForgetSubject, emptied, []byte(`{"version":1}`))
	if n := c.Jobs(); n != 4 {
		r.t.Errorf("%d jobs of 4 are left", n)
	}
}

// speaksToEdges tries to make JetStream announce an edge that does not exist, purge everything, and
// announce an upload.
func (r *rogue) speaksToEdges(c *Cluster) {
	r.t.Helper()
	empty := []byte(`{"batch":1,"no_wait":true}`)
	r.has(next(renderjob.LaneBulk), renderjob.EdgeSubject("ghost"), empty)
	r.has(next(renderjob.LaneBulk), renderjob.PurgeSubject, empty)
	if report := purge(r.t, c, c.Edges[0], "b.jpg"); len(report.Missed) > 0 {
		r.t.Errorf("a purge waited for %v", report.Missed)
	}
	c.must(r.conn.PublishRequest(next(renderjob.LaneBulk), "uploads", []byte(`{"batch":9,"expires":2000000000}`)))
	for range 9 { // the renderer takes some of them, to hand them back
		r.has(renderjob.LaneBulk.Subject(), "_INBOX.rogue", []byte("nonsense, which is counted at once"))
	}
	if n := c.Edges[0].Metric(r.t, "thumbmill_uploads_total"); n != 0 {
		r.t.Errorf("%v messages of uploads were taken", n)
	}
}

// endsADrain tries to make JetStream end the drain of a renderer.
func (r *rogue) endsADrain(c *Cluster, renderer string) {
	r.t.Helper()
	c.must(r.conn.Publish(renderjob.ControlSubject(renderer), []byte(`{"drain_ms":60000}`)))
	Eventually(r.t, "the renderer drains", func() bool { return r.drains(renderer) })
	r.has("$JS.API.STREAM.INFO."+queue.Stream, renderjob.ControlSubject(renderer), nil)
	if !r.drains(renderer) {
		r.t.Error("the renderer takes jobs again")
	}
}

// answersAPurge tries to make JetStream answer a purge for an edge that does not hear the purge.
func (r *rogue) answersAPurge(c *Cluster) {
	r.t.Helper()
	c.must(r.conn.Publish(renderjob.EdgeSubject("deaf"), nil))
	_, err := r.conn.Subscribe(renderjob.PurgeSubject, func(m *nats.Msg) {
		_ = r.conn.PublishRequest(next(renderjob.LaneBulk), m.Reply, []byte(`{"batch":9,"expires":2000000000}`))
		for range 9 {
			_ = r.conn.Publish(renderjob.LaneBulk.Subject(), []byte("deaf"))
		}
	})
	c.must(err)
	c.must(r.conn.Flush())
	if report := purge(r.t, c, c.Edges[0], "b.jpg"); len(report.Missed) != 1 || slices.Contains(report.Edges, "deaf") {
		r.t.Errorf("the purge reports that it is complete: %+v", report)
	}
}
