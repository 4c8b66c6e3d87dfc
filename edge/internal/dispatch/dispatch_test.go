package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start returns a dispatcher of the only site and a second connection, both on a real server.
func start(t testing.TB) (*Dispatcher, *nats.Conn) {
	t.Helper()
	return startWith(t, settings.NATS{Replicas: 1}, &world{living: []string{""}})
}

func startWith(t testing.TB, s settings.NATS, fleet Fleet) (*Dispatcher, *nats.Conn) {
	t.Helper()
	ns := servers.StartNATS(t)
	connect := func() *nats.Conn {
		conn, err := nats.Connect(ns.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		return conn
	}
	d, err := New(t.Context(), "e", connect(), s, fleet, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d, connect()
}

func job() renderjob.Job { return renderjob.Job{ID: nuid.Next(), Lane: renderjob.LaneStandard} }

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestRecall(t *testing.T) {
	d, conn := start(t)
	h, err := d.Publish(within(t), job())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if !h.Recall(within(t)) {
		t.Error("Recall reports false for a job that no renderer began")
	}
	if word := begin(t, d, conn, h.job.ID); word != renderjob.Gone {
		t.Errorf("the edge tells a renderer that pulled it meanwhile %q", word)
	}
}

func TestAJobThatBeganIsNotRecalled(t *testing.T) {
	d, conn := start(t)
	h, err := d.Publish(within(t), job())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if word := begin(t, d, conn, h.job.ID); word != renderjob.Proceed {
		t.Errorf("the edge tells the renderer %q", word)
	}
	if h.Recall(within(t)) {
		t.Error("Recall reports true for a job that a renderer began")
	}
	if word := begin(t, d, conn, "of another flight"); word != renderjob.Gone {
		t.Errorf("for an ended flight the edge tells the renderer %q", word)
	}
}

// begin tells the edge that a renderer begins a job, and returns the edge's answer.
func begin(t *testing.T, d *Dispatcher, conn *nats.Conn, id string) string {
	t.Helper()
	return beginAt(t, d, conn, id, "")
}

// beginAt is begin for a renderer of a site.
func beginAt(t *testing.T, d *Dispatcher, conn *nats.Conn, id, site string) string {
	t.Helper()
	m, err := renderjob.Result{Version: 1, JobID: id, State: renderjob.StateStarted, Site: site}.Message(d.edge)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := conn.RequestMsgWithContext(within(t), m)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer.Data)
}

func TestRestore(t *testing.T) {
	d, _ := start(t)
	ctx := within(t)
	h, err := d.Publish(ctx, job())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	count := func() uint64 {
		stream, err := queue.Ensure(ctx, d.js, d.settings)
		if err != nil {
			t.Fatal(err)
		}
		info, err := stream.Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return info.State.Msgs
	}
	for name, disturb := range map[string]func() error{
		"nothing":     func() error { return nil },
		"job lost":    func() error { h.Recall(ctx); return nil },
		"stream gone": func() error { return d.js.DeleteStream(ctx, queue.Stream) },
	} {
		if err := disturb(); err != nil {
			t.Fatal(err)
		}
		if err := h.Restore(ctx); err != nil || count() != 1 {
			t.Errorf("%s: %d jobs, %v", name, count(), err)
		}
	}
}

func TestAFullLane(t *testing.T) {
	d, conn := start(t)
	js, _ := jetstream.New(conn)
	const bound = 100 // filling queue.LaneBound takes seconds
	stream, err := js.Stream(t.Context(), queue.Stream)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	if config.MaxMsgsPerSubject != queue.LaneBound {
		t.Errorf("a lane has at most %d jobs", config.MaxMsgsPerSubject)
	}
	config.MaxMsgsPerSubject = bound
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	for range bound {
		if _, err := js.PublishAsync(renderjob.LaneStandard.Subject(), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	js.CleanupPublisher()
	if _, err := d.Publish(within(t), job()); !fault.Is(err, fault.LaneFull) {
		t.Errorf("got %v", err)
	}
	other := job()
	other.Lane = renderjob.LaneExpensive
	h, err := d.Publish(within(t), other)
	if err != nil {
		t.Fatalf("another lane refuses the job: %v", err)
	}
	h.Close()
	if d.Open() != 0 {
		t.Errorf("%d jobs are open", d.Open())
	}
}

// BenchmarkHop measures the time of a job and its result through the queue, and of a job that begins at once, with a
// picture of 20 KB. It compares a direct call that copies the same picture.
func BenchmarkHop(b *testing.B) {
	world := &world{living: []string{""}}
	d, conn := startWith(b, settings.NATS{Replicas: 1}, world)
	js, err := jetstream.New(conn)
	if err != nil {
		b.Fatal(err)
	}
	consumer, err := js.Consumer(b.Context(), queue.Stream, renderjob.LaneStandard.Consumer())
	if err != nil {
		b.Fatal(err)
	}
	image := make([]byte, 20<<10)
	done := make(chan struct{})
	stop := make(chan struct{})
	go func() { defer close(done); answer(consumer, conn, image, stop) }()
	if _, err := conn.Subscribe(renderjob.HandOverSubject("r"), func(m *nats.Msg) { begins(conn, m, image) }); err != nil {
		b.Fatal(err)
	}
	ctx := within(b)
	hop := func(results int) time.Duration {
		began := time.Now()
		h, err := d.Publish(ctx, job())
		if err != nil {
			b.Fatal(err)
		}
		defer h.Close()
		for range results {
			<-h.Results()
		}
		return time.Since(began)
	}
	var hops, atOnce, direct []time.Duration
	for b.Loop() {
		hops = append(hops, hop(1))
		world.offer("r")
		atOnce = append(atOnce, hop(2))
		began := time.Now()
		_ = slices.Clone(image)
		direct = append(direct, time.Since(began))
	}
	close(stop)
	<-done
	for _, all := range [][]time.Duration{hops, atOnce, direct} {
		slices.Sort(all)
	}
	n := len(hops)
	fmt.Fprintf(os.Stdout, "\npublish → result: median %v, p99 %v over %d; at once: %v, p99 %v; a direct call that copies the picture: %v\n",
		hops[n/2], hops[n*99/100], n, atOnce[n/2], atOnce[n*99/100], direct[n/2])
}

// begins is a renderer that begins a job at once, and answers it with a picture.
func begins(conn *nats.Conn, m *nats.Msg, image []byte) {
	h, _ := renderjob.ReadHandOver(m)
	for _, r := range []renderjob.Result{{State: renderjob.StateStarted}, {State: renderjob.StateRendered, Image: image}} {
		r.Version, r.JobID, r.Renderer = 1, h.Job.ID, "r"
		answer, _ := r.Message(h.Job.Edge)
		_ = conn.PublishMsg(answer)
	}
}

// answer is a renderer that answers each job with the same picture.
func answer(consumer jetstream.Consumer, conn *nats.Conn, image []byte, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		batch, err := consumer.Fetch(1, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			return
		}
		for msg := range batch.Messages() {
			var j renderjob.Job
			_ = json.Unmarshal(msg.Data(), &j)
			m, _ := renderjob.Result{Version: 1, JobID: j.ID, State: renderjob.StateRendered, Image: image}.Message(j.Edge)
			_ = conn.PublishMsg(m)
			_ = msg.Ack()
		}
	}
}
