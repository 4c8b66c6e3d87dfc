package pipeline

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/component"
	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/source"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

func TestMain(m *testing.M) {
	if worker.Asked() {
		os.Exit(worker.Main())
	}
	goleak.VerifyTestMain(m)
}

var errBroken = errors.New("broken")

// world has the stores, the engines and the edge of a pipeline, all in memory except for the originals'
// files. It records events in their order, and lets a test act at each event, before its effect.
type world struct {
	t        *testing.T
	pipeline *Pipeline
	registry *prometheus.Registry
	stop     context.CancelFunc // stops the renderer during the job
	drain    chan struct{}
	on       map[string]func(*world)

	mu      sync.Mutex
	events  []string
	replies []renderjob.Result
	files   map[string]file                 // originals, by path
	kept    map[string]objectstore.Meta     // thumbnails, by path
	bodies  map[string][]byte               // the thumbnails' bytes, by path
	renders []func() (engine.Result, error) // the results of renders, in turn; the last result repeats
	broken  map[string]bool                 // events that fail
	gone    bool                            // no client waits

	siblings []renderjob.Sibling // the edge names these siblings
}

type file struct {
	body    []byte
	version string
}

const maxPixels = 100_000_000

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, registry: prometheus.NewRegistry(), drain: make(chan struct{}), on: map[string]func(*world){},
		files: map[string]file{"a.png": {disc(t), "v1"}}, kept: map[string]objectstore.Meta{}, bodies: map[string][]byte{}, broken: map[string]bool{},
		renders: []func() (engine.Result, error){draws("picture")},
	}
	originals := originals{w: w}
	fetched, err := source.New(source.Config{
		Originals: originals, Dir: filepath.Join(t.TempDir(), "originals"), Downloads: 1, MaxBytes: 10_000, Room: 100_000,
		Timeout: 20 * time.Second, Metrics: w.registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.pipeline = New(Config{
		Renderer: "r", Originals: fetched, Versions: originals, Thumbnails: thumbnails{w}, Engines: engines{w}, Slots: 1,
		Batch: 16, MaxOriginalPixels: maxPixels, Edges: edges{w}, Tracer: tracing.None(), Log: slog.New(slog.DiscardHandler), Metrics: w.registry,
	})
	return w
}

func disc(t *testing.T) []byte {
	t.Helper()
	body, err := samples.PNG(samples.Disc(20))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// sized returns a PNG whose header declares this width and height, but whose pixels are fewer.
func sized(t *testing.T, side uint32) []byte {
	t.Helper()
	body := bytes.Clone(disc(t))
	for i, shift := range []int{24, 16, 8, 0} {
		body[16+i], body[20+i] = byte(side>>shift), byte(side>>shift)
	}
	return body
}

// process does one job, and returns the error of Process. The queue takes a job that moves to another lane.
func (w *world) process(d intake.Delivery) error {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	w.stop = cancel
	err := w.pipeline.Process(ctx, w.drain, d)
	var moved *intake.Moved
	if errors.As(err, &moved) {
		if w.count("moved") > 0 {
			w.t.Error("the edge hears that a job moved before the queue has it")
		}
		moved.Tell()
	}
	return err
}

func delivery() intake.Delivery {
	return intake.Delivery{Deliveries: 1, Arrived: time.Now(), Job: renderjob.Job{
		ID: "j", Edge: "e", Lane: renderjob.LaneStandard, Key: thumbnail.Location{Path: "k"}, OriginalVersion: "v1",
		Spec:          thumbnail.Spec{Original: at("a.png"), Type: thumbnail.TypePNG, Width: 10},
		StartWithinMS: 5000, DeadlineMS: 60_000, RenderLimitMS: 30_000,
	}}
}

func at(path string) thumbnail.Location { return thumbnail.Location{Path: path} }

// happen records an event, lets the test act, and returns an error if the event is in broken.
func (w *world) happen(event string) error {
	w.mu.Lock()
	w.events = append(w.events, event)
	act := w.on[event]
	w.mu.Unlock()
	if act != nil {
		act(w)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken[event] {
		return errBroken
	}
	return nil
}

func (w *world) set(path string, f file) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files[path] = f
}

func (w *world) remove(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.files, path)
}

// purge starts Forget for the original, and returns once all its jobs know. Forget itself waits until the
// jobs have taken back their thumbnails.
func (w *world) purge() {
	go w.pipeline.Forget(at("a.png"))
	for _, j := range w.pipeline.running.of(at("a.png")) {
		for !j.purged.Load() {
			runtime.Gosched()
		}
	}
}

// outcomes returns the counts of thumbmill_jobs_total by outcome.
func (w *world) outcomes() map[string]float64 {
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "thumbmill_jobs_total" {
				all[m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return all
}

// gauge returns the value of a gauge without labels, or -1 if there is none.
func (w *world) gauge(name string) float64 {
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

func (w *world) keptPaths() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var paths []string
	for path := range maps.Keys(w.kept) {
		paths = append(paths, path)
	}
	return paths
}

// originals is the world's store of originals. It embeds the interface for the methods that neither a
// source nor a pipeline calls.
type originals struct {
	objectstore.Store
	w *world
}

func (o originals) find(path string) (file, error) {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	f, ok := o.w.files[path]
	if !ok {
		return file{}, objectstore.ErrNotFound
	}
	return f, nil
}

func (o originals) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	f, err := o.find(at.Path)
	if broken := o.w.happen("fetch " + at.Path); broken != nil {
		err = broken
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return object{bytes.NewReader(f.body)}, objectstore.Info{Size: int64(len(f.body)), Version: f.version}, err
}

func (o originals) Head(_ context.Context, at thumbnail.Location) (objectstore.Info, error) {
	if err := o.w.happen("compare"); err != nil {
		return objectstore.Info{}, err
	}
	f, err := o.find(at.Path)
	return objectstore.Info{Version: f.version}, err
}

type object struct{ content *bytes.Reader }

func (o object) Read(p []byte) (int, error)                 { return o.content.Read(p) }
func (o object) Seek(offset int64, from int) (int64, error) { return o.content.Seek(offset, from) }
func (o object) Close() error                               { return nil }

// thumbnails is the world's store of thumbnails.
type thumbnails struct{ w *world }

func (s thumbnails) Head(_ context.Context, at thumbnail.Location) (objectstore.Info, error) {
	err := s.w.happen("look for the thumbnail")
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	meta, ok := s.w.kept[at.Path]
	if !ok && err == nil {
		err = objectstore.ErrNotFound
	}
	return objectstore.Info{Meta: meta}, err
}

func (s thumbnails) Open(_ context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	err := s.w.happen("open a thumbnail")
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	meta, ok := s.w.kept[at.Path]
	if !ok && err == nil {
		err = objectstore.ErrNotFound
	}
	body := s.w.bodies[at.Path]
	return object{bytes.NewReader(body)}, objectstore.Info{Meta: meta, MD5: meta.ETag, Size: int64(len(body))}, err
}

func (s thumbnails) Put(ctx context.Context, at thumbnail.Location, body []byte, meta objectstore.Meta) error {
	if err := errors.Join(s.w.happen("put"), ctx.Err()); err != nil {
		return err
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.kept[at.Path], s.w.bodies[at.Path] = meta, body
	return nil
}

func (s thumbnails) Delete(_ context.Context, at thumbnail.Location) error {
	if err := s.w.happen("delete"); err != nil {
		return err
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	delete(s.w.kept, at.Path)
	return nil
}

// engines are the world's engines.
type engines struct{ w *world }

func (engines) Version() string { return "engine-1" }
func (engines) Versions() component.Versions {
	return component.Versions{component.Libvips: "8.1", component.Libpng: "1.6", component.Librsvg: "2.5"}
}

func (e engines) Render(ctx context.Context, _ thumbnail.Spec, original engine.Source, _ []engine.Source, _ int64, _ time.Duration) (engine.Result, error) {
	e.w.mu.Lock()
	outcome := e.w.renders[0]
	if len(e.w.renders) > 1 {
		e.w.renders = e.w.renders[1:]
	}
	e.w.mu.Unlock()
	what := "render"
	if original.Careful {
		what = "render carefully"
	}
	if err := errors.Join(e.w.happen(what), ctx.Err()); err != nil {
		return engine.Result{}, err
	}
	return outcome()
}

// Several returns the results of renders in turn, until a render ends the worker.
func (e engines) Several(ctx context.Context, specs []thumbnail.Spec, original engine.Source, max int64, limits worker.Limits, done func(int, engine.Result, error)) error {
	_ = e.w.happen("several")
	for i, s := range specs {
		r, err := e.Render(ctx, s, original, nil, max, limits.Each)
		if errors.Is(err, worker.ErrDied) || fault.Is(err, fault.Overran) || ctx.Err() != nil {
			return err
		}
		done(i, r, err)
	}
	return nil
}

func draws(image string) func() (engine.Result, error) {
	return func() (engine.Result, error) {
		return engine.Result{Image: []byte(image), Format: thumbnail.FormatPNG, Width: 1, Height: 1, Engine: "test"}, nil
	}
}

func fails(err error) func() (engine.Result, error) {
	return func() (engine.Result, error) { return engine.Result{}, err }
}

// edges is the world's edge.
type edges struct{ w *world }

func (e edges) note(r renderjob.Result) string {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	e.w.replies = append(e.w.replies, r)
	told := string(r.State)
	if r.Fault != nil {
		told += ": " + string(r.Fault.Kind)
	}
	return told
}

func (e edges) Begin(_ string, r renderjob.Result) renderjob.Answer {
	_ = e.w.happen(e.note(r))
	if e.w.gone {
		return renderjob.Answer{Word: renderjob.Gone}
	}
	return renderjob.Answer{Word: renderjob.Proceed, Siblings: e.w.siblings}
}

func (e edges) Tell(_ string, r renderjob.Result) error { return e.w.happen(e.note(r)) }

func (e edges) TakeBack(thumbnail.Location) error { return e.w.happen("take back") }
