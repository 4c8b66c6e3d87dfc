package obtain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/places"
	"github.com/thumbmill/thumbmill/edge/internal/stored"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world has an obtainer and its collaborators. Tests set the collaborators' answers.
type world struct {
	settings settings.Settings
	o        *Obtainer

	mu        sync.Mutex
	head      func(thumbnail.Location) (objectstore.Info, error)
	open      func() (objectstore.Object, objectstore.Info, error)
	there     map[thumbnail.Location]bool // thumbnails in the store
	broken    error                       // of the store of thumbnails
	hanging   bool                        // the store of thumbnails answers no second look
	purges    uint64
	failing   error // the failure memory's answer to Check
	unwilling error // the failure memory's answer to Record
	recorded  []fault.Kind
	checked   []string      // engines of Check
	blamed    []string      // engines of Record
	gone      time.Duration // the time without a renderer
	idle      bool
	admit     func(context.Context, admission.Request) (done bool, err error)
	admitted  []admission.Request
	refusals  []throttle.Name
	outcomes  []admission.Outcome // of leases that were released
	left      int                 // places of lanes that flights gave back before their end
	publish   error
	electing  bool
	unstarted time.Duration
	stalls    bool
	full      bool // the lane was full a moment ago
	batch     int
	published chan *job
	sizes     []thumbnail.Location
	listing   chan struct{} // List waits until it is closed; nil: List does not wait
}

// job is a published or held job.
type job struct {
	world       *world
	asked       renderjob.Job
	results     chan renderjob.Result
	reconnected chan struct{}
	restored    chan error
	begun       bool // a renderer has begun the job: Recall returns false
	recalled    bool
	closed      bool
	along       []*job // jobs that ride with it
}

func (j *job) Results() <-chan renderjob.Result { return j.results }
func (j *job) Reconnected() <-chan struct{}     { return j.reconnected }
func (j *job) Restore(context.Context) error    { return <-j.restored }

func (j *job) Recall(context.Context) bool {
	j.world.mu.Lock()
	defer j.world.mu.Unlock()
	j.recalled = !j.begun
	return j.recalled
}

func (j *job) Close() {
	j.world.mu.Lock()
	defer j.world.mu.Unlock()
	j.closed = true
}

// tell sends the edge a result.
func (j *job) tell(state renderjob.State, change func(*renderjob.Result)) {
	r := renderjob.Result{State: state, JobID: j.asked.ID, EngineVersion: "engine-1", TypeVersion: string(j.asked.Spec.Type) + "-1", Format: thumbnail.FormatPNG}
	if state == renderjob.StateRendered {
		r.Image = []byte("picture")
	}
	if change != nil {
		change(&r)
	}
	if state == renderjob.StateStarted {
		j.world.mu.Lock()
		j.begun = true
		j.world.mu.Unlock()
	}
	if state == renderjob.StateStored && r.Fault == nil {
		j.world.store(j.asked.Key)
	}
	j.results <- r
}

func (w *world) opened(asked renderjob.Job) *job {
	return &job{world: w, asked: asked, results: make(chan renderjob.Result, 16), reconnected: make(chan struct{}, 1), restored: make(chan error, 1)}
}

// Release publishes a held job.
func (j *job) Release() { j.world.published <- j }

// finish sends the results started, rendered and stored.
func (j *job) finish() {
	j.tell(renderjob.StateStarted, nil)
	j.tell(renderjob.StateRendered, nil)
	j.tell(renderjob.StateStored, nil)
}

func newWorld(t *testing.T, change func(*world)) *world {
	t.Helper()
	w := &world{
		settings: settings.Default(), there: map[thumbnail.Location]bool{}, published: make(chan *job, 16), idle: true,
		head: func(thumbnail.Location) (objectstore.Info, error) {
			return objectstore.Info{Version: "v1", Size: 1000}, nil
		},
		admit: func(context.Context, admission.Request) (bool, error) { return false, nil },
	}
	if change != nil {
		change(w)
	}
	w.o = New(Config{
		Settings: w.settings, Thumbnails: listed{w}, Originals: opened{w}, Heads: heads{w}, Stored: storeOf{w}, Failures: memory{w},
		Fleet: fleet{w}, Throttles: admitter{w}, Places: w.places(), Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	t.Cleanup(func() {
		if err := w.o.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) places() *places.Places {
	return places.New(places.Config{
		Settings: w.settings, Admitter: admitter{w}, Queue: queue{w}, Backlog: backlog{w}, Fleet: fleet{w},
		PerIP: func(string) settings.Pool { return w.settings.Throttle.PerIP },
	})
}

// in runs a test of a world in synctest's time.
func in(t *testing.T, change func(*world), do func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { do(t, newWorld(t, change)) })
}

func (w *world) store(at thumbnail.Location) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.there[at] = true
}

func (w *world) isThere(at thumbnail.Location) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.there[at]
}

// ends returns the outcomes of all released leases.
func (w *world) ends() []admission.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.outcomes)
}

// answer has the results of one request.
type answer struct {
	thumb Thumb
	err   error
}

// ask sends a request, which ends with ctx. The channel gets its answer.
func (w *world) ask(ctx context.Context, r Request) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		thumb, err := w.o.Obtain(ctx, r)
		answers <- answer{thumb, err}
	}()
	return answers
}

// wants fails unless the answer is a picture from source, or a fault of the kind if kind is set.
func (a answer) wants(t *testing.T, source Source, kind fault.Kind) {
	t.Helper()
	if kind != "" {
		if !fault.Is(a.err, kind) {
			t.Errorf("got %v (%s), want a fault %s", a.err, a.thumb.Source, kind)
		}
		return
	}
	if a.err != nil || a.thumb.Source != source {
		t.Errorf("got source %q, error %v; want source %q", a.thumb.Source, a.err, source)
	}
}

// cat returns a client's request for a thumbnail that is not stored.
func cat(client string) Request {
	return Request{ID: "request of " + client, Client: client, Target: target.Target{
		Spec: thumbnail.Spec{Original: thumbnail.Location{Path: "cat.jpg"}, Type: thumbnail.TypeJPEG, Width: 100},
		Key:  thumbnail.Location{Container: "thumbs", Path: "cat/100"}, Kin: target.Kin{Before: "cat/"},
	}}
}

// size returns a request for the cat in a width, in pixels.
func size(width int) Request {
	r := cat("ann")
	r.Target.Spec.Width, r.Target.Key.Path = width, fmt.Sprint("cat/", width)
	return r
}

type heads struct{ w *world }

func (h heads) Head(_ context.Context, at thumbnail.Location) (objectstore.Info, error) {
	return h.w.head(at)
}
func (h heads) Forget(thumbnail.Location) {}
func (h heads) ForgetAll()                {}

type opened struct{ w *world }

func (o opened) Open(context.Context, thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	return o.w.open()
}

type listed struct{ w *world }

func (l listed) List(ctx context.Context, _ thumbnail.Location, _ string) ([]thumbnail.Location, error) {
	if l.w.listing != nil {
		select {
		case <-l.w.listing:
		case <-ctx.Done():
		}
	}
	return l.w.sizes, ctx.Err()
}

type storeOf struct{ w *world }

func (s storeOf) AtHand(_ context.Context, t target.Target) (stored.Hit, bool) {
	return stored.Hit{Image: []byte("stored")}, s.w.isThere(t.Key)
}

func (s storeOf) IsLocal() bool { return true }

func (s storeOf) Find(_ context.Context, t target.Target, renew bool) (stored.Hit, error) {
	switch {
	case s.w.broken != nil:
		return stored.Hit{}, s.w.broken
	case renew || !s.w.isThere(t.Key):
		return stored.Hit{}, objectstore.ErrNotFound
	}
	return stored.Hit{Image: []byte("stored")}, nil
}

func (s storeOf) IsStored(ctx context.Context, t target.Target, version string, _ bool) bool {
	if s.w.hanging {
		<-ctx.Done()
		return false
	}
	return version == "v1" && s.w.isThere(t.Key)
}

func (s storeOf) HasBucket(_ context.Context, b bucket.Bucket, version string) bool {
	return version == "v1" && s.w.isThere(b.Key)
}

func (s storeOf) Purges() uint64 {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.w.purges
}
func (s storeOf) Purged(since uint64, _ thumbnail.Location) bool { return s.Purges() > since }

func (s storeOf) Forget(thumbnail.Location) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.purges++
	clear(s.w.there)
}
func (s storeOf) ForgetAll() { s.Forget(thumbnail.Location{}) }

type memory struct{ w *world }

func (m memory) Check(_ context.Context, _ thumbnail.Spec, _ thumbnail.Location, engines []string) error {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	m.w.checked = engines
	return m.w.failing
}

func (m memory) Record(_ context.Context, f *fault.Fault, _ thumbnail.Spec, _ thumbnail.Location, engine string) error {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	m.w.recorded = append(m.w.recorded, f.Kind)
	m.w.blamed = append(m.w.blamed, engine)
	return m.w.unwilling
}

type fleet struct{ w *world }

func (f fleet) Engines(t thumbnail.Type) []string { return []string{string(t) + "-1"} }
func (f fleet) GoneFor() time.Duration            { return f.w.gone }
func (f fleet) Idle() bool                        { return f.w.idle }
func (f fleet) Slots() int                        { return 2 }
func (f fleet) Batch() int                        { return max(1, f.w.batch) }

type admitter struct{ w *world }

func (a admitter) Admit(ctx context.Context, r admission.Request) (admission.Lease, bool, error) {
	a.w.mu.Lock()
	a.w.admitted = append(a.w.admitted, r)
	a.w.mu.Unlock()
	done, err := a.w.admit(ctx, r)
	if err != nil || done {
		return nil, done, err
	}
	return &held{w: a.w}, false, nil
}

func (a admitter) CountRefusal(by throttle.Name) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.refusals = append(a.w.refusals, by)
}

func (a admitter) RefuseFull(admission.Request, bool) error {
	if a.w.full {
		return throttle.All().Get(throttle.Lane).Refuse(0, throttle.Full)
	}
	return nil
}
func (a admitter) TurnAway(admission.Request, lease.Reason) { a.CountRefusal(throttle.PerIP) }

// held is a lease. It notes every Release, a second one too.
type held struct{ w *world }

func (h *held) Release(o admission.Outcome) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.outcomes = append(h.w.outcomes, o)
}

type queue struct{ w *world }

func (q queue) Publish(_ context.Context, asked renderjob.Job, held ...places.Job) (places.Job, error) {
	if q.w.publish != nil {
		return nil, q.w.publish
	}
	j := q.w.opened(asked)
	for _, h := range held {
		j.along = append(j.along, h.(*job))
	}
	q.w.published <- j
	return j, nil
}

func (q queue) Hold(_ context.Context, asked renderjob.Job) places.Job { return q.w.opened(asked) }
func (q queue) Electing() bool                                         { return q.w.electing }
func (q queue) Unstarted(renderjob.Lane) time.Duration                 { return q.w.unstarted }

type backlog struct{ w *world }

func (b backlog) Stalls(renderjob.Lane, time.Duration) bool { return b.w.stalls }

var errBroken = errors.New("broken")

// object is a readable original.
type object struct{ io.ReadSeeker }

func (object) Close() error { return nil }

func newObject(text string) objectstore.Object { return object{bytes.NewReader([]byte(text))} }

func (h *held) LeaveLane() {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.left++
}
