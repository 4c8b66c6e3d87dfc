package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/source"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore/directory"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// workers stands in for the engines, whose own tests are in package engine.
type workers struct {
	mu    sync.Mutex
	calls int
	do    func(call int) ([]byte, error)
}

func (w *workers) Version() string { return "engine-1" }

func (w *workers) Render(context.Context, thumbnail.Spec, engine.Source, []engine.Source, int64, time.Duration) (engine.Result, error) {
	w.mu.Lock()
	w.calls++
	call := w.calls
	w.mu.Unlock()
	image, err := w.do(call)
	return engine.Result{Image: image, Format: thumbnail.FormatPNG, Width: 1, Height: 1, Engine: "test"}, err
}

// bench is a pipeline on directories, with what it replied.
type bench struct {
	pipeline   *Pipeline
	thumbnails Thumbnails
	dir        string
	workers    *workers
	replies    []renderjob.Result
	gone       bool // nobody waits
}

func setUp(t *testing.T, do func(call int) ([]byte, error)) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), workers: &workers{do: do}}
	originals, err := directory.NewOriginals(filepath.Join(b.dir, "o"))
	if err != nil {
		t.Fatal(err)
	}
	thumbnails, err := directory.NewThumbnails(filepath.Join(b.dir, "t"), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = originals.Close(); _ = thumbnails.Close() })
	body, err := samples.PNG(samples.Disc(20))
	if err == nil {
		err = os.WriteFile(filepath.Join(b.dir, "o", "a.png"), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	fetched, err := source.New(source.Config{
		Originals: originals, Dir: filepath.Join(b.dir, "temp"), Downloads: 1, MaxBytes: 10_000, Room: 100_000,
		Timeout: time.Minute, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.thumbnails = thumbnails
	b.pipeline = New(Config{
		Tracer:   tracing.None(),
		Renderer: "r", Originals: fetched, Versions: originals, Thumbnails: thumbnails,
		Engines: b.workers, Slots: 1, MaxOriginalPixels: 1000, Log: slog.New(slog.DiscardHandler),
		Edges: b, Metrics: prometheus.NewRegistry(),
	})
	return b
}

// Begin and Tell make the bench the edge.
func (b *bench) Begin(_ string, r renderjob.Result) bool {
	b.replies = append(b.replies, r)
	return !b.gone
}

func (b *bench) TakeBack(thumbnail.Location) error { return nil }

func (b *bench) Tell(_ string, r renderjob.Result) error {
	b.replies = append(b.replies, r)
	return nil
}

func delivery(change func(*intake.Delivery)) intake.Delivery {
	d := intake.Delivery{Deliveries: 1, Arrived: time.Now(), Job: renderjob.Job{
		ID: "j", Edge: "e", Lane: renderjob.LaneStandard, Key: thumbnail.Location{Path: "k"},
		Spec:          thumbnail.Spec{Original: thumbnail.Location{Path: "a.png"}, Type: thumbnail.TypePNG, Width: 10},
		StartWithinMS: 5000, DeadlineMS: 60_000, RenderLimitMS: 5000,
	}}
	if change != nil {
		change(&d)
	}
	return d
}

func (b *bench) process(t *testing.T, change func(*intake.Delivery)) (states []renderjob.State, f *fault.Fault) {
	t.Helper()
	if err := b.pipeline.Process(t.Context(), nil, delivery(change)); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.replies {
		states = append(states, r.State)
		if r.Fault != nil {
			f = r.Fault
		}
	}
	if left, _ := os.ReadDir(filepath.Join(b.dir, "temp")); len(left) > 1 { // the original, for other sizes of it
		t.Errorf("left over: %v", left)
	}
	return states, f
}

func good(int) ([]byte, error) { return []byte("picture"), nil }

func TestTheClientHasItsPictureBeforeItIsStored(t *testing.T) {
	b := setUp(t, good)
	states, f := b.process(t, nil)
	want := []renderjob.State{renderjob.StateStarted, renderjob.StateRendered, renderjob.StateStored}
	if f != nil || len(states) != 3 || states[0] != want[0] || states[1] != want[1] || states[2] != want[2] {
		t.Fatalf("%v, %v", states, f)
	}
	if string(b.replies[1].Image) != "picture" || b.replies[2].Image != nil || b.replies[1].EngineVersion != "engine-1" {
		t.Errorf("%+v", b.replies)
	}
	info, err := b.thumbnails.Head(t.Context(), thumbnail.Location{Path: "k"})
	if err != nil || info.Meta.ETag != b.replies[1].ETag || info.Meta.OriginalVersion == "" || info.Meta.SpecDigest == "" {
		t.Errorf("stored %+v, %v", info, err)
	}
}

func TestWhatNobodyWaitsForIsNotRendered(t *testing.T) {
	b := setUp(t, good)
	b.gone = true
	states, _ := b.process(t, nil)
	if len(states) != 1 || b.workers.calls != 0 {
		t.Errorf("%v, %d renders", states, b.workers.calls)
	}
}

func TestALargePictureIsStoredFirst(t *testing.T) {
	b := setUp(t, func(int) ([]byte, error) { return make([]byte, renderjob.MaxInline+1), nil })
	states, f := b.process(t, nil)
	if f != nil || len(states) != 2 || states[1] != renderjob.StateStored {
		t.Errorf("%v, %v", states, f)
	}
}

func TestWorkersThatDie(t *testing.T) {
	dies := func(times int) func(int) ([]byte, error) {
		return func(call int) ([]byte, error) {
			if call <= times {
				return nil, worker.ErrDied
			}
			return good(call)
		}
	}
	if _, f := setUp(t, dies(2)).process(t, nil); f != nil {
		t.Errorf("two deaths: %v", f)
	}
	b := setUp(t, dies(9))
	if _, f := b.process(t, nil); f == nil || f.Kind != fault.WorkerKilled || b.workers.calls != 3 {
		t.Errorf("nine deaths: %v after %d", f, b.workers.calls)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*intake.Delivery)
		want   fault.Kind
	}{
		"delivered too often":   {func(d *intake.Delivery) { d.Deliveries = 4 }, fault.Lost},
		"nobody waits any more": {func(d *intake.Delivery) { d.Age = 6 * time.Second }, fault.NoRenderer},
		"an absent original":    {func(d *intake.Delivery) { d.Job.Spec.Original.Path = "none.png" }, fault.Absent},
	} {
		b := setUp(t, good)
		states, f := b.process(t, c.change)
		if f == nil || f.Kind != c.want || states[len(states)-1] != renderjob.StateFailed || b.workers.calls != 0 {
			t.Errorf("%s: %v, %v", name, states, f)
		}
	}
	// A second delivery is late because its first renderer died: it is done all the same.
	if _, f := setUp(t, good).process(t, func(d *intake.Delivery) { d.Deliveries, d.Age = 2, 20*time.Second }); f != nil {
		t.Errorf("a second delivery: %v", f)
	}
	b := setUp(t, good)
	if states, _ := b.process(t, func(d *intake.Delivery) { d.Age = time.Hour }); len(states) != 0 {
		t.Errorf("after the deadline: %v", states)
	}
}

func TestOriginalsThatAreTooLarge(t *testing.T) {
	b := setUp(t, good)
	for name, size := range map[string]int{"bytes": 10_001, "empty": 0} {
		if err := os.WriteFile(filepath.Join(b.dir, "o", "a.png"), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		b.replies = nil
		if _, f := b.process(t, nil); f == nil || f.Kind.Traits().Status != 422 {
			t.Errorf("%s: %v", name, f)
		}
	}
}

// A renderer that stored the thumbnail and died before it said so leaves a job
// whose work is done.
func TestASecondDeliveryFindsTheFirstOnesWork(t *testing.T) {
	b := setUp(t, good)
	b.process(t, nil)
	info, _ := b.thumbnails.Head(t.Context(), thumbnail.Location{Path: "k"})
	b.replies = nil
	states, f := b.process(t, func(d *intake.Delivery) { d.Deliveries, d.Job.OriginalVersion = 2, info.Meta.OriginalVersion })
	if f != nil || len(states) != 2 || states[1] != renderjob.StateStored || b.workers.calls != 1 {
		t.Errorf("%v, %v, %d renders", states, f, b.workers.calls)
	}
}

func TestWhatWasNotBegunIsHandedBack(t *testing.T) {
	b := setUp(t, good)
	drain := make(chan struct{})
	close(drain)
	if err := b.pipeline.Process(t.Context(), drain, delivery(nil)); !errors.Is(err, intake.ErrNotBegun) {
		t.Errorf("got %v", err)
	}
}
