package queue_test

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/thumbmill/thumbmill/deploy/credentials"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/settings/value"
)

// A role that has credentials says so when the server would have taken it without.
func TestAServerThatAsksNobody(t *testing.T) {
	server := servers.StartNATS(t)
	dir := t.TempDir()
	if err := credentials.Write(dir, credentials.Options{}); err != nil {
		t.Fatal(err)
	}
	for file, warns := range map[string]bool{filepath.Join(dir, "edge.creds"): true, "": false} {
		var log bytes.Buffer
		conn, err := queue.Connect(settings.NATS{URL: value.URLs(server.URL()), Credentials: file}, "edge", "test", slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if strings.Contains(log.String(), "NATS without authentication") != warns {
			t.Errorf("credentials %q: %s", file, &log)
		}
	}
}

// A message that reaches a subscription by way of somebody's reply subject is not heard.
func TestWhatWasNotSentHereIsNotHeard(t *testing.T) {
	server := servers.StartNATS(t)
	conn, err := queue.Connect(server.Settings(), "edge", "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream := jetstream.StreamConfig{Name: "S", Subjects: []string{"work"}, Storage: jetstream.MemoryStorage}
	js, err := jetstream.New(conn)
	if err == nil {
		_, err = js.CreateStream(t.Context(), stream)
	}
	if err == nil {
		_, err = js.CreateConsumer(t.Context(), "S", jetstream.ConsumerConfig{Durable: "C"})
	}
	if err == nil {
		_, err = js.Publish(t.Context(), "work", []byte("a job"))
	}
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 2)
	if _, err := queue.Subscribe(conn, "mine", func(m *nats.Msg) { heard <- string(m.Data) }); err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{}, 2)
	if _, err := conn.Subscribe("mine", func(*nats.Msg) { arrived <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	if err := conn.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.S.C", "mine", []byte(`{"batch":1,"expires":1000000000}`)); err != nil {
		t.Fatal(err)
	}
	<-arrived // the job did come
	if err := conn.Publish("mine", []byte("for me")); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "for me" {
		t.Errorf("heard %q", got)
	}
}

// A stream that cannot be made is told with its own remedy.
func TestStreamsThatCannotBeMade(t *testing.T) {
	for name, c := range map[string]struct {
		there    jetstream.StreamConfig
		replicas int
		says     string
	}{
		"another's settings": {jetstream.StreamConfig{Name: queue.Stream, Subjects: []string{"render.job.>"}, Storage: jetstream.FileStorage}, 1, "settings that cannot change"},
		"another's subjects": {jetstream.StreamConfig{Name: "other", Subjects: []string{"render.>"}}, 1, "another stream takes"},
		"too few servers":    {jetstream.StreamConfig{Name: "unrelated", Subjects: []string{"x"}}, 3, "nats.replicas"},
	} {
		t.Run(name, func(t *testing.T) {
			_, js := connected(t)
			if _, err := js.CreateStream(t.Context(), c.there); err != nil {
				t.Fatal(err)
			}
			_, err := queue.Ensure(t.Context(), js, settings.NATS{Replicas: c.replicas})
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "max_memory_store") {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}

// A role that starts changes nothing of a queue that is as it should be, and mends one that is not.
func TestAQueueThatIsThereIsLeftAlone(t *testing.T) {
	conn, js := connected(t)
	changes := make(chan *nats.Msg, 100)
	for _, call := range []string{"STREAM.CREATE", "STREAM.UPDATE", "CONSUMER.CREATE", "CONSUMER.DURABLE.CREATE"} {
		if _, err := conn.ChanSubscribe("$JS.API."+call+".>", changes); err != nil {
			t.Fatal(err)
		}
	}
	ensure := func(s settings.NATS) (made int) {
		t.Helper()
		_, err := queue.Ensure(t.Context(), js, s)
		if err == nil {
			err = conn.Flush() // the changes have arrived
		}
		if err != nil {
			t.Fatal(err)
		}
		for made = len(changes); len(changes) > 0; {
			<-changes
		}
		return made
	}
	for _, s := range []settings.NATS{{Replicas: 1}, {Replicas: 1, Site: "west"}} {
		if ensure(s) == 0 {
			t.Error("a queue that is not as it should be stays so")
		}
		if n := ensure(s); n > 0 {
			t.Errorf("%d changes of a queue that is as it should be", n)
		}
	}
}

// A queue of an earlier version gets the settings of this one, except those that NATS never changes.
func TestAQueueOfAnEarlierVersion(t *testing.T) {
	_, js := connected(t)
	now := ensured(t, js)
	earlier := now
	earlier.Name, earlier.Metadata, earlier.MaxWaiting, earlier.MaxAckPending = "", nil, 8192, 1000
	if err := js.DeleteConsumer(t.Context(), queue.Stream, now.Durable); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateConsumer(t.Context(), queue.Stream, earlier); err != nil {
		t.Fatal(err)
	}
	if got := ensured(t, js); got.MaxWaiting != earlier.MaxWaiting || got.MaxAckPending != now.MaxAckPending {
		t.Errorf("%+v", got)
	}
}

// connected returns a connection to a server of its own.
func connected(t *testing.T) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	conn, err := nats.Connect(servers.StartNATS(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, js
}

// ensured returns a lane's consumer after Ensure.
func ensured(t *testing.T, js jetstream.JetStream) jetstream.ConsumerConfig {
	t.Helper()
	stream, err := queue.Ensure(t.Context(), js, settings.NATS{Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.Consumer(t.Context(), renderjob.LaneStandard.Consumer())
	if err != nil {
		t.Fatal(err)
	}
	return consumer.CachedInfo().Config
}
