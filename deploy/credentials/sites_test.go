package credentials

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

const patience = 30 * time.Second

// startSites starts a core server and a queue's server for each site, and returns the latter.
func startSites(t *testing.T, s Sites) (dir string, queues map[string]*server.Server) {
	t.Helper()
	dir, queues = t.TempDir(), map[string]*server.Server{}
	s.Dir = dir
	if err := Write(dir, Options{Sites: &s}); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, Options{}); err != nil { // keeps the sites
		t.Fatal(err)
	}
	for _, site := range s.All {
		startIncluding(t, dir, "", site.CoreFile())
		queues[site.Name] = startIncluding(t, dir, fmt.Sprintf("jetstream: {domain: %s, store_dir: %q}", site.Name, t.TempDir()), site.LeafFile())
	}
	for name, q := range queues {
		eventually.Holds(t, patience, "site "+name+" is connected", func() bool { return q.NumLeafNodes() == 1 })
	}
	return dir, queues
}

// threeSites returns sites with addresses on this host.
func threeSites(t *testing.T) (s Sites) {
	t.Helper()
	for _, name := range []string{"east", "west", "north"} {
		s.All = append(s.All, Site{Name: name, Gateway: servers.FreeAddress(t), Leaves: servers.FreeAddress(t), Listen: "127.0.0.1"})
	}
	return s
}

// at connects a role to a site's queue, which an edge makes.
func at(t *testing.T, dir, site string, s *server.Server, r Role) *client {
	t.Helper()
	c := connect(t, s, r, filepath.Join(dir, r.File()))
	if r == Edge {
		if err := queue.Open(t.Context(), c.jetStream(), settings.NATS{Replicas: 1, Site: site}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// The generated files connect three sites: a job of one site's edge reaches a renderer of another, and everything that the
// two tell each other arrives. Queues and calls of JetStream stay at their site.
func TestThreeSites(t *testing.T) {
	for name, encrypted := range map[string]bool{"plain": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			s := threeSites(t)
			if encrypted {
				files := wire.Certificate(t, t.TempDir(), "127.0.0.1")
				s.Certificate, s.Key, s.CA = files.Certificate, files.Key, files.Certificate
			}
			dir, queues := startSites(t, s)
			east, west := at(t, dir, "east", queues["east"], Edge), at(t, dir, "west", queues["west"], Edge)
			renderer := at(t, dir, "west", queues["west"], Renderer)
			at(t, dir, "north", queues["north"], Edge)
			overflows(t, east, renderer)
			talk(t, east, renderer)
			if job, err := west.jetStream().Publish(t.Context(), renderjob.LaneStandard.Subject(), []byte("own")); err != nil || job.Domain != "west" {
				t.Errorf("a job of site west goes to %+v, %v", job, err)
			}
			if n := jobs(t, east) + jobs(t, west); n != 1 {
				t.Errorf("the queues have %d jobs, want the one of site west", n)
			}
		})
	}
}

// overflows sends a job from an edge to a renderer of another site, which acknowledges it.
func overflows(t *testing.T, edge, renderer *client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	eventually.Succeeds(t, patience, "the other site takes a job", func() error {
		once, cancel := context.WithTimeout(ctx, deadline.Acknowledge) // a job sent before the sites know each other gets no answer
		defer cancel()
		ack, err := edge.jetStream().Publish(once, renderjob.LaneStandard.SiteSubject("west"), []byte("job"), jetstream.WithMsgID("job"))
		if err == nil && ack.Domain != "west" {
			err = fmt.Errorf("site %s takes it", ack.Domain)
		}
		return err
	})
	consumer, err := renderer.jetStream().Consumer(ctx, queue.Stream, renderjob.LaneStandard.Consumer())
	if err != nil {
		t.Fatal(err)
	}
	job, err := consumer.Next(jetstream.FetchMaxWait(5 * time.Second))
	if err == nil {
		err = job.DoubleAck(ctx)
	}
	if err != nil {
		t.Error(err)
	}
}

// talk sends each message that passes between sites.
func talk(t *testing.T, edge, renderer *client) {
	t.Helper()
	asks(t, edge, renderer, renderjob.ResultSubject("e"))
	asks(t, renderer, edge, renderjob.PurgeSubject)
	asks(t, renderer, edge, renderjob.ControlSubject("r"))
	asks(t, edge, renderer, renderjob.HeartbeatSubject("r"))
}

// asks sends a question to a listener, and its answer back.
func asks(t *testing.T, listener, asking *client, subject string) {
	t.Helper()
	if _, err := listener.conn.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond([]byte("yes")) }); err != nil {
		t.Fatal(err)
	}
	eventually.Succeeds(t, patience, subject+" passes", func() error {
		m, err := asking.conn.Request(subject, []byte("?"), time.Second)
		if err == nil && string(m.Data) != "yes" {
			err = fmt.Errorf("the answer is %q", m.Data)
		}
		return err
	})
}

func jobs(t *testing.T, edge *client) uint64 {
	t.Helper()
	stream, err := edge.jetStream().Stream(t.Context(), queue.Stream)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

// A server without credentials cannot become a leaf node, and one without the password cannot become a core server.
func TestStrangersBesideSites(t *testing.T) {
	s := threeSites(t)
	startSites(t, s)
	for address, connect := range map[string]string{
		s.All[0].Leaves:  `CONNECT {"name":"stranger","user":"sites","pass":"guess"}`,
		s.All[0].Gateway: `CONNECT {"name":"stranger","gateway":"south","user":"sites","pass":"guess"}`,
	} {
		if answer := says(t, address, connect); !strings.Contains(answer, "Authorization Violation") {
			t.Errorf("%s is answered by %q", connect, answer)
		}
	}
}

// says sends a line to a NATS server, and returns the answer until the server ends the connection.
func says(t *testing.T, address, line string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(conn)
	if _, err := in.ReadString('\n'); err != nil { // INFO
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, line+"\r\nPING\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(in)
	return string(answer)
}

func TestWrongSites(t *testing.T) {
	good := Site{Name: "east", Gateway: "a:1", Leaves: "a:2"}
	for want, s := range map[string]Sites{
		"not a name":   {All: []Site{{Name: "a b", Gateway: "a:1", Leaves: "a:2"}}},
		"twice":        {All: []Site{good, good}},
		"not the addr": {All: []Site{{Name: "east", Gateway: "a", Leaves: "a:2"}}},
		"set all":      {All: []Site{good}, Certificate: "c"},
	} {
		if err := Write(t.TempDir(), Options{Sites: &s}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
	}
}
