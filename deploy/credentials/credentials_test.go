package credentials

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/settings/value"
)

const uploads = "media.uploads"

// start runs a NATS server with the configuration of a folder.
func start(t *testing.T, dir string) *server.Server {
	t.Helper()
	return startIncluding(t, dir, fmt.Sprintf("jetstream: {store_dir: %q}", t.TempDir()), ServerFile)
}

// startIncluding runs a NATS server whose configuration has a text and a file of a folder.
func startIncluding(t *testing.T, dir, text, included string) *server.Server {
	t.Helper()
	file := filepath.Join(dir, "server-"+included)
	if err := os.WriteFile(file, fmt.Appendf(nil, "listen: 127.0.0.1:-1\n%s\ninclude %q\n", text, included), 0o600); err != nil {
		t.Fatal(err)
	}
	options, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	options.NoSigs, options.NoLog = true, true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s
}

type client struct {
	t    *testing.T
	conn *nats.Conn
}

func connect(t *testing.T, s *server.Server, r Role, file string) *client {
	t.Helper()
	conn, err := queue.Connect(settings.NATS{URL: value.URLs(s.ClientURL()), Credentials: file}, string(r), "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return &client{t, conn}
}

// refusal returns the server's last refusal. It flushes first: a server refuses a message before it
// answers later ones.
func (c *client) refusal() error {
	c.t.Helper()
	if err := c.conn.FlushTimeout(5 * time.Second); err != nil {
		c.t.Fatal(err)
	}
	return c.conn.LastError()
}

// may calls do, and fails if the server's decision is not the wanted one.
func (c *client) may(want bool, what string, do func() error) {
	c.t.Helper()
	before := c.refusal()
	if err := do(); err != nil {
		c.t.Errorf("%s: %v", what, err)
	}
	after := c.refusal()
	if refused := after != before; refused == want { // compares the errors' identities: two refusals can have the same text
		c.t.Errorf("%s: refused is %v, allowed must be %v", what, refused, want)
	} else if refused && !errors.Is(after, nats.ErrPermissionViolation) {
		c.t.Errorf("%s: %v", what, after)
	}
}

func (c *client) says(want bool, subjects ...string) {
	c.t.Helper()
	for _, s := range subjects {
		c.may(want, "says "+s, func() error { return c.conn.Publish(s, []byte("{}")) })
	}
}

func (c *client) hears(want bool, subjects ...string) {
	c.t.Helper()
	for _, s := range subjects {
		c.may(want, "hears "+s, func() error {
			_, err := c.conn.SubscribeSync(s)
			return err
		})
	}
}

// Each role can do its own work, and none of the other's.
func TestRolesAreKeptApart(t *testing.T) {
	dir := t.TempDir()
	subject := uploads
	for _, o := range []Options{{Uploads: &subject}, {}} { // the second call keeps the first one's subject
		if err := Write(dir, o); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, dir)
	edge, renderer := connect(t, s, Edge, filepath.Join(dir, Edge.File())), connect(t, s, Renderer, filepath.Join(dir, Renderer.File()))
	work(t, edge, renderer)

	edge.hears(true, renderjob.ResultSubject("e"), renderjob.AllHeartbeats, renderjob.AllEdges, uploads)
	edge.hears(false, "render.>", "render.job.standard", "$JS.>", "_INBOX.>", "_INBOX.renderer.>", "$SYS.>", ">")
	edge.says(false, renderjob.ResultSubject("e"), renderjob.HeartbeatSubject("r"), "_INBOX.renderer.x", "$SYS.REQ.SERVER.PING",
		"$JS.API.STREAM.DELETE."+queue.Stream, "$JS.API.STREAM.PURGE."+queue.Stream, "$JS.API.STREAM.CREATE.OTHER",
		"$JS.API.CONSUMER.MSG.NEXT."+queue.Stream+".renderers-standard", "$JS.API.CONSUMER.DELETE."+queue.Stream+".renderers-standard")

	renderer.hears(true, queue.ConsumerChanges()...)
	renderer.hears(true, renderjob.PurgeSubject, renderjob.ControlSubject("r"), renderjob.HandOverSubject("r"))
	renderer.hears(false, renderjob.ResultSubject("*"), renderjob.AllHeartbeats, renderjob.AllEdges, "_INBOX.edge.>", uploads, ">")
	renderer.says(false, renderjob.ControlSubject("r"), renderjob.PurgeSubject, renderjob.EdgeSubject("e"), "_INBOX.edge.x", uploads,
		"$JS.API.STREAM.CREATE."+queue.Stream, "$JS.API.STREAM.UPDATE."+queue.Stream, "$JS.API.STREAM.DELETE."+queue.Stream,
		"$JS.API.STREAM.MSG.GET."+queue.Stream, "$JS.API.CONSUMER.CREATE."+queue.Stream+".mine")

	if c, err := nats.Connect(s.ClientURL()); err == nil {
		c.Close()
		t.Error("a client without credentials can connect")
	}
}

// work passes every kind of message between the roles.
func work(t *testing.T, edge, renderer *client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	found := make(chan error)
	renderers := renderer.jetStream()
	go func() { found <- queue.Find(ctx, renderers, settings.NATS{Replicas: 1}) }() // before the stream exists
	stream, err := queue.Ensure(ctx, edge.jetStream(), settings.NATS{Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-found; err != nil {
		t.Fatal(err)
	}
	before := [2]error{edge.refusal(), renderer.refusal()} // until the stream existed, the renderer was refused to make it
	for _, lane := range renderjob.Lanes() {
		passes(ctx, t, lane, edge, renderer)
		if _, err := stream.GetLastMsgForSubject(ctx, lane.Subject()); err != nil {
			t.Error(err)
		}
	}
	if _, err := renderer.conn.Subscribe(renderjob.PurgeSubject, func(m *nats.Msg) { _ = m.Respond([]byte("forgotten")) }); err != nil {
		t.Fatal(err)
	}
	if err := renderer.conn.FlushTimeout(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	if m, err := edge.conn.Request(renderjob.PurgeSubject, nil, 5*time.Second); err != nil || string(m.Data) != "forgotten" {
		t.Errorf("the answer to a purge: %v %v", m, err)
	}
	if after := [2]error{edge.refusal(), renderer.refusal()}; after != before {
		t.Errorf("edge and renderer were refused something: %v", after)
	}
	edge.says(true, renderjob.ControlSubject("r"), renderjob.EdgeSubject("e"))
	renderer.says(true, renderjob.HeartbeatSubject("r"), renderjob.ForgetSubject, renderjob.HandOverSubject("s"))
}

// passes sends a job of a lane to the renderer, returns its result, and hands the job back.
func passes(ctx context.Context, t *testing.T, lane renderjob.Lane, edge, renderer *client) {
	t.Helper()
	results, err := edge.conn.SubscribeSync(renderjob.ResultSubject("e-" + string(lane)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := edge.jetStream().Publish(ctx, lane.Subject(), []byte("job")); err != nil {
		t.Fatal(err)
	}
	consumer, err := renderer.jetStream().Consumer(ctx, queue.Stream, lane.Consumer())
	if err != nil {
		t.Fatal(err)
	}
	job, err := consumer.Next(jetstream.FetchMaxWait(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	result := renderer.conn.Publish(renderjob.ResultSubject("e-"+string(lane)), []byte("result"))
	if err := errors.Join(job.InProgress(), job.DoubleAck(ctx), result); err != nil {
		t.Error(err)
	}
	if m, err := results.NextMsg(5 * time.Second); err != nil || string(m.Data) != "result" {
		t.Error(m, err)
	}
	if _, err := renderer.jetStream().Publish(ctx, lane.Subject(), []byte("handed back")); err != nil {
		t.Error(err)
	}
}

func (c *client) jetStream() jetstream.JetStream {
	c.t.Helper()
	js, err := jetstream.New(c.conn)
	if err != nil {
		c.t.Fatal(err)
	}
	return js
}

// New credentials work beside older ones, and replace them after a revocation, without any restart.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir)
	used := filepath.Join(t.TempDir(), "edge.creds")
	roll := func() {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, Edge.File()))
		if err == nil {
			err = os.WriteFile(used, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	roll()
	before := connect(t, s, Edge, used)
	stolen := filepath.Join(t.TempDir(), "stolen.creds")
	if err := os.Link(filepath.Join(dir, Edge.File()), stolen); err != nil {
		t.Fatal(err)
	}
	made := time.Now().Unix() // credentials carry the second of their making
	eventually.Holds(t, 10*time.Second, "a later second begins", func() bool { return time.Now().Unix() > made })
	if err := Write(dir, Options{Revoke: true}); err != nil {
		t.Fatal(err)
	}
	roll()
	connect(t, s, Edge, used).says(true, renderjob.EdgeSubject("e")) // the server does not know the new account yet
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	eventually.Holds(t, 10*time.Second, "the client connects again", func() bool { return before.conn.Stats().Reconnects > 0 })
	before.says(true, renderjob.EdgeSubject("e"))
	if c, err := nats.Connect(s.ClientURL(), nats.UserCredentials(stolen)); err == nil {
		c.Close()
		t.Error("a client with revoked credentials can connect")
	}
	connect(t, start(t, dir), Edge, used).says(true, renderjob.EdgeSubject("e"))
}

func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if err := Write(dir, Options{Expire: time.Hour}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 6+len(Secrets()) {
		t.Fatalf("%v %v", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", e.Name(), info, err)
		}
	}
	random := func() (all []string) {
		for _, s := range Secrets() {
			text, err := os.ReadFile(filepath.Join(dir, s.File))
			if err != nil || len(text) != 65 || slices.Contains(all, string(text)) {
				t.Errorf("%s: %q %v", s.File, text, err)
			}
			all = append(all, string(text))
		}
		return all
	}
	before := random()
	if err := Write(dir, Options{Revoke: true}); err != nil || !slices.Equal(random(), before) {
		t.Errorf("a second call changes the secrets: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, accountFile), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, Options{}); err == nil || !strings.Contains(err.Error(), accountFile) {
		t.Errorf("an invalid key: %v", err)
	}
}
