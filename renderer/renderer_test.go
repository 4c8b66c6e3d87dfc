package renderer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) {
	if WorkerAsked() {
		os.Exit(WorkerMain())
	}
	os.Exit(m.Run())
}

// site has a NATS server, two directories, and an edge that collects one renderer's answers.
type site struct {
	t         *testing.T
	nats      *servers.NATS
	config    Config
	conn      *nats.Conn // the edge's
	js        jetstream.JetStream
	results   chan renderjob.Result
	beats     chan renderjob.Heartbeat
	described renderjob.Heartbeat // the latest one with a description
}

const (
	edge   = "edge-1"
	within = 20 * time.Second // the bound of every wait in these tests
)

func newSite(t *testing.T, render func(ctx context.Context, s thumbnail.Spec) ([]byte, error)) *site {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	server := servers.StartNATS(t)
	c := settings.Default()
	c.NATS.URL = server.Settings().URL
	dir := t.TempDir()
	c.Store.Originals.Path, c.Store.Thumbnails.Path = filepath.Join(dir, "originals"), filepath.Join(dir, "thumbnails")
	c.Renderer.Slots, c.Renderer.Ahead, c.Renderer.TempDir = 1, 0, filepath.Join(dir, "temp")
	stores, err := open.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stores.Close() })
	s := &site{
		t: t, nats: server, results: make(chan renderjob.Result, 100), beats: make(chan renderjob.Heartbeat, 100),
		config: Config{Settings: c, Stores: stores, Log: log, Metrics: prometheus.NewRegistry(), Render: render},
	}
	body, err := samples.PNG(samples.Disc(40))
	if err == nil {
		err = os.WriteFile(filepath.Join(c.Store.Originals.Path, "a.png"), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.connect(log)
	return s
}

// connect starts the edge: it answers Proceed to every result, and collects results and heartbeats.
func (s *site) connect(log *slog.Logger) {
	s.t.Helper()
	var err error
	if s.conn, err = queue.Connect(s.nats.Settings(), "edge", edge, log); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.conn.Close)
	if s.js, err = jetstream.New(s.conn); err != nil {
		s.t.Fatal(err)
	}
	s.hear(renderjob.ResultSubject(edge), func(m *nats.Msg) {
		_ = queue.Answer(m, renderjob.Proceed)
		if r, err := renderjob.ReadResult(m); err == nil {
			s.results <- r
		}
	})
	s.hear(renderjob.AllHeartbeats, func(m *nats.Msg) {
		var beat renderjob.Heartbeat
		if json.Unmarshal(m.Data, &beat) == nil {
			if beat.Described() {
				s.described = beat
			}
			s.beats <- beat.With(s.described)
		}
	})
}

func (s *site) hear(subject string, hear nats.MsgHandler) {
	s.t.Helper()
	_, err := queue.Subscribe(s.conn, subject, hear)
	if err == nil {
		err = s.conn.Flush()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// start starts a renderer, and stops it at the test's end.
func (s *site) start() *Renderer {
	s.t.Helper()
	r, err := New(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = r.Stop(context.Background()) })
	if err := r.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// publish publishes a job for a thumbnail of a.png.
func (s *site) publish(id string) {
	s.t.Helper()
	m, err := renderjob.Job{
		Version: renderjob.Version, ID: id, Edge: edge, Lane: renderjob.LaneStandard, Key: thumbnail.Location{Path: id},
		Spec:          thumbnail.Spec{Original: thumbnail.Location{Path: "a.png"}, Type: thumbnail.TypePNG, Width: 10, Format: thumbnail.FormatPNG},
		StartWithinMS: 60_000, DeadlineMS: 60_000, RenderLimitMS: 30_000,
	}.Message()
	if err == nil {
		_, err = s.js.PublishMsg(s.t.Context(), m)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// await returns the first value that fits.
func await[T any](t *testing.T, from <-chan T, what string, fits func(T) bool) (got T) {
	t.Helper()
	for over := time.After(within); ; {
		select {
		case got = <-from:
			if fits(got) {
				return got
			}
		case <-over:
			t.Fatalf("%s did not come within %v; last: %+v", what, within, got)
		}
	}
}

func (s *site) awaitState(state renderjob.State) renderjob.Result {
	s.t.Helper()
	return await(s.t, s.results, "state "+string(state), func(r renderjob.Result) bool { return r.State == state })
}

func (s *site) awaitBeat(what string, fits func(renderjob.Heartbeat) bool) renderjob.Heartbeat {
	s.t.Helper()
	return await(s.t, s.beats, what, fits)
}

// control publishes a directive to drain.
func (s *site) control(r *Renderer, drain time.Duration) {
	s.t.Helper()
	text := fmt.Sprintf(`{"drain_ms": %d}`, drain.Milliseconds())
	if err := s.conn.Publish(renderjob.ControlSubject(r.Name()), []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

func picture(context.Context, thumbnail.Spec) ([]byte, error) { return []byte("picture"), nil }

// held is a render that lasts until release is closed.
type held struct {
	began, release chan struct{}
}

func newHeld() *held { return &held{make(chan struct{}, 10), make(chan struct{})} }

func (h *held) render(ctx context.Context, _ thumbnail.Spec) ([]byte, error) {
	h.began <- struct{}{}
	select {
	case <-h.release:
		return []byte("picture"), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestARendererRendersAndSendsHeartbeats(t *testing.T) {
	s := newSite(t, picture)
	s.config.Settings.Store.Thumbnails.Sync = true // a slow store: its two results come apart
	r, err := New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	if r.Ready() == nil {
		t.Error("ready before it pulls")
	}
	if err := r.Start(t.Context()); err != nil || r.Ready() != nil {
		t.Fatalf("started: %v, ready: %v", err, r.Ready())
	}
	s.publish("one")
	if got := s.awaitState(renderjob.StateRendered); string(got.Image) != "picture" || got.Renderer != r.Name() {
		t.Errorf("rendered %+v", got)
	}
	if got := s.awaitState(renderjob.StateStored); got.Fault != nil {
		t.Errorf("stored: %v", got.Fault)
	}
	beat := s.awaitBeat("a heartbeat", func(renderjob.Heartbeat) bool { return true })
	if beat.Renderer != r.Name() || beat.Whole != 1 || beat.Slots != 1 || beat.Draining || beat.EngineVersion != "instead" {
		t.Errorf("heartbeat %+v", beat)
	}
	if err := r.Stop(t.Context()); err != nil || r.Ready() == nil {
		t.Errorf("stopped: %v, ready: %v", err, r.Ready())
	}
	if _, err := os.Stat(r.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of temporary files: %v", err)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Errorf("stopped twice: %v", err)
	}
	s.awaitBeat("the drain", func(b renderjob.Heartbeat) bool { return b.Draining && !b.Directed })
}

func TestStopWithoutStart(t *testing.T) {
	r, err := New(newSite(t, picture).config)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAStartThatFailsStopsOnce(t *testing.T) {
	r, err := New(newSite(t, picture).config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("started: %v", err)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Errorf("stopped: %v", err)
	}
}

func TestNewReturnsErrors(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"a folder in a device": {func(c *Config) { c.Settings.Renderer.TempDir = "/dev/null/x" }, "renderer.temp_dir"},
		"an unknown layer": {func(c *Config) {
			c.Render, c.Settings.Renderer.Sandbox = nil, []string{"moat"}
		}, "moat"},
	} {
		t.Run(name, func(t *testing.T) {
			config := newSite(t, picture).config
			c.change(&config)
			if _, err := New(config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("made: %v", err)
			}
		})
	}
}

func TestStopFinishesRenders(t *testing.T) {
	h := newHeld()
	s := newSite(t, h.render)
	r := s.start()
	s.publish("one")
	await(t, h.began, "a render", func(struct{}) bool { return true })
	stopped := make(chan error)
	go func() { stopped <- r.Stop(context.Background()) }()
	s.awaitBeat("the drain", func(b renderjob.Heartbeat) bool { return b.Draining && b.InHand == 1 })
	close(h.release)
	s.awaitState(renderjob.StateStored)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestStopGivesUpWhenItsTimeIsOver(t *testing.T) {
	h := newHeld()
	s := newSite(t, h.render)
	r := s.start()
	s.publish("one")
	await(t, h.began, "a render", func(struct{}) bool { return true })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Stop(ctx); err == nil || !strings.Contains(err.Error(), "1 jobs are not finished") {
		t.Errorf("stopped: %v", err)
	}
}

func TestADirectiveDrainsUntilItEnds(t *testing.T) {
	s := newSite(t, picture)
	r := s.start()
	s.control(r, time.Hour)
	s.awaitBeat("the ordered drain", func(b renderjob.Heartbeat) bool { return b.Draining && b.Directed })
	if err := r.Ready(); err != nil {
		t.Errorf("a renderer that a directive drains is not ready: %v", err)
	}
	s.publish("one")
	if r.InHand() != 0 {
		t.Error("a drained renderer takes jobs")
	}
	s.control(r, 0)
	s.awaitState(renderjob.StateStored)
	s.awaitBeat("the end of the drain", func(b renderjob.Heartbeat) bool { return !b.Draining && !b.Directed })
}

func TestADrainEndsAfterItsTime(t *testing.T) {
	s := newSite(t, picture)
	r := s.start()
	s.control(r, 100*time.Millisecond)
	s.publish("one")
	s.awaitState(renderjob.StateStored)
	s.awaitBeat("the end of the drain", func(b renderjob.Heartbeat) bool { return !b.Draining })
}

// Heartbeats describe the renderer at its start and when an edge asks, and have only the digest otherwise.
func TestARendererDescribesItself(t *testing.T) {
	s := newSite(t, picture)
	beats := make(chan renderjob.Heartbeat, 100)
	s.hear(renderjob.AllHeartbeats, func(m *nats.Msg) {
		var beat renderjob.Heartbeat
		if json.Unmarshal(m.Data, &beat) == nil {
			beats <- beat
		}
	})
	r := s.start()
	brief := func(b renderjob.Heartbeat) bool { return !b.Described() }
	first := await(t, beats, "a description at the start", renderjob.Heartbeat.Described)
	if got := await(t, beats, "a heartbeat without", brief); got.Digest != first.Digest || len(got.Engines) > 0 {
		t.Errorf("%+v after %+v", got, first)
	}
	if err := s.conn.Publish(renderjob.ControlSubject(r.Name()), []byte(`{"describe":true}`)); err != nil {
		t.Fatal(err)
	}
	await(t, beats, "a description when an edge asks", renderjob.Heartbeat.Described)
	await(t, beats, "a heartbeat without, after it", brief)
}

// The renderer answers a purge with its name. After that it stores no older thumbnail.
func TestAPurgeIsAnswered(t *testing.T) {
	h := newHeld()
	s := newSite(t, h.render)
	r := s.start()
	s.publish("one")
	await(t, h.began, "a render", func(struct{}) bool { return true })
	text, err := json.Marshal(renderjob.Purge{Version: renderjob.Version, Originals: []thumbnail.Location{{Path: "a.png"}}})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.conn.Request(renderjob.PurgeSubject, text, within)
	if err != nil || string(answer.Data) != r.Name() {
		t.Fatalf("answered %v, %v", answer, err)
	}
	close(h.release)
	if got := s.awaitState(renderjob.StateStored); !fault.Is(got.Fault, fault.OriginalStore) {
		t.Errorf("stored: %v", got.Fault)
	}
}

func TestUnreadableMessagesGetNoAnswer(t *testing.T) {
	s := newSite(t, picture)
	r := s.start()
	inbox := s.conn.NewInbox()
	answers := make(chan string, 2)
	s.hear(inbox, func(m *nats.Msg) { answers <- string(m.Data) })
	for _, purge := range []string{"{", `{"originals": []}`} { // the subscription receives them in this order
		if err := s.conn.PublishRequest(renderjob.PurgeSubject, inbox, []byte(purge)); err != nil {
			t.Fatal(err)
		}
	}
	await(t, answers, "an answer to the second purge", func(string) bool { return true })
	if len(answers) != 0 {
		t.Error("the renderer answers a purge that it cannot read")
	}
	for _, order := range []string{"{", "{}"} {
		if err := s.conn.Publish(renderjob.ControlSubject(r.Name()), []byte(order)); err != nil {
			t.Fatal(err)
		}
	}
	s.publish("one")
	s.awaitState(renderjob.StateStored)
}

// Real workers render in their own processes; the heartbeat lists their types and layers.
func TestARendererWithWorkers(t *testing.T) {
	s := newSite(t, nil)
	r := s.start()
	s.publish("one")
	if got := s.awaitState(renderjob.StateRendered); got.Width != 10 || got.Format != thumbnail.FormatPNG {
		t.Errorf("rendered %+v", got)
	}
	if got := s.awaitState(renderjob.StateStored); got.Fault != nil {
		t.Errorf("stored %+v", got)
	}
	beat := s.awaitBeat("a heartbeat", func(renderjob.Heartbeat) bool { return true })
	if !slices.Contains(beat.Engines, "vips png") || len(beat.Layers) == 0 || beat.Kills["died"] != 0 || len(r.WorkerPIDs()) == 0 {
		t.Errorf("heartbeat %+v, workers %v", beat, r.WorkerPIDs())
	}
	if err := r.Stop(t.Context()); err != nil || len(r.WorkerPIDs()) != 0 {
		t.Errorf("stopped: %v; workers still live: %v", err, r.WorkerPIDs())
	}
}

// fake is a gauge of short memory, and the intake that the memory resizes.
type fake struct {
	allowed int
	resized []int
}

func (f *fake) Slots(int) int    { return f.allowed }
func (f *fake) Stall() float64   { return 50 }
func (f *fake) Resize(slots int) { f.resized = append(f.resized, slots) }

func TestMemoryYields(t *testing.T) {
	f := &fake{}
	m := newMemory(4, f, slog.New(slog.DiscardHandler))
	m.gauge = f
	for _, f.allowed = range []int{4, 4, 2, 2, 4} {
		m.yield()
		if m.slots() != f.allowed {
			t.Errorf("%d slots, want %d", m.slots(), f.allowed)
		}
	}
	if !slices.Equal(f.resized, []int{2, 4}) {
		t.Errorf("resized to %v", f.resized)
	}
}
