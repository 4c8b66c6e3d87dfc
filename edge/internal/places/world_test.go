package places

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world has places and their collaborators. Tests set the collaborators' answers.
type world struct {
	settings settings.Settings
	places   *Places

	mu        sync.Mutex
	admit     func(context.Context, admission.Request) (done bool, err error)
	admitted  []admission.Request
	refusals  []throttle.Name
	released  int // leases
	batch     int
	electing  bool
	unstarted time.Duration
	stalls    bool
	busy      bool // no renderer has a free slot
	published []*job
}

// in runs a test of a world in synctest's time.
func in(t *testing.T, change func(*world), do func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{settings: settings.Default(), batch: 16, admit: func(context.Context, admission.Request) (bool, error) { return false, nil }}
		if change != nil {
			change(w)
		}
		w.places = New(Config{
			Settings: w.settings, Admitter: w, Queue: w, Backlog: w, Fleet: w,
			PerIP: func(string) settings.Pool { return w.settings.Throttle.PerIP },
		})
		do(t, w)
		if len(w.places.convoys.open) != 0 || len(w.places.rides.waiting) != 0 {
			t.Errorf("left: convoys %v, flights that wait for a ride %v", w.places.convoys.open, w.places.rides.waiting)
		}
	})
}

// get asks for places, and publishes the job when they are granted. The channel gets the grant.
func (w *world) get(ctx context.Context, n Need) <-chan Grant {
	answers := make(chan Grant, 1)
	go func() {
		g := w.places.Get(ctx, n)
		defer g.Close()
		if g.Lease != nil {
			_, _ = g.Publish(ctx, renderjob.Job{ID: n.Request.Thumbnail.Path})
		}
		answers <- g
	}()
	synctest.Wait()
	return answers
}

// jobs returns the published jobs.
func (w *world) jobs() []*job {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.published)
}

// asked returns the number of requests to the coordinator.
func (w *world) asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.admitted)
}

// size returns the need of one size of a client's cat.
func size(client, name string) Need {
	return Need{Version: "v1", Shared: true, Request: admission.Request{
		Thumbnail: thumbnail.Location{Path: name},
		Flight: throttle.Request{
			Client: client, Exempt: clientaddr.IsExempt(client), Original: thumbnail.Location{Path: "cat.jpg"}, Lane: renderjob.LaneStandard,
		},
	}}
}

func (w *world) Admit(ctx context.Context, r admission.Request) (admission.Lease, bool, error) {
	w.mu.Lock()
	w.admitted = append(w.admitted, r)
	w.mu.Unlock()
	done, err := w.admit(ctx, r)
	if err != nil || done {
		return nil, done, err
	}
	return held{w}, false, nil
}

func (w *world) CountRefusal(by throttle.Name) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusals = append(w.refusals, by)
}

func (w *world) RefuseFull(admission.Request, bool) error    { return nil }
func (w *world) TurnAway(admission.Request, lease.Reason)    { w.CountRefusal(throttle.PerIP) }
func (w *world) Electing() bool                              { return w.electing }
func (w *world) Unstarted(renderjob.Lane) time.Duration      { return w.unstarted }
func (w *world) Stalls(renderjob.Lane, time.Duration) bool   { return w.stalls }
func (w *world) Idle() bool                                  { return !w.busy }
func (w *world) Batch() int                                  { return w.batch }
func (w *world) Hold(_ context.Context, j renderjob.Job) Job { return &job{world: w, id: j.ID} }

func (w *world) Publish(_ context.Context, asked renderjob.Job, along ...Job) (Job, error) {
	j := &job{world: w, id: asked.ID}
	for _, a := range along {
		j.along = append(j.along, a.(*job).id)
	}
	j.Release()
	return j, nil
}

// job is a published or held job.
type job struct {
	world *world
	id    string   // the thumbnail's path
	along []string // jobs that ride with it
}

func (*job) Results() <-chan renderjob.Result { return nil }
func (*job) Reconnected() <-chan struct{}     { return nil }
func (*job) Restore(context.Context) error    { return nil }
func (*job) Recall(context.Context) bool      { return false }
func (*job) Close()                           {}

// Release publishes a job by itself.
func (j *job) Release() {
	j.world.mu.Lock()
	defer j.world.mu.Unlock()
	j.world.published = append(j.world.published, j)
}

// held is a lease.
type held struct{ w *world }

func (h held) Release(admission.Outcome) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.released++
}
func (held) LeaveLane() {}

var laneFull = throttle.All().Get(throttle.Lane).Refuse(0, throttle.Full)

// wants fails unless the grant has a lease, or a refusal of the kind if kind is set.
func (g Grant) wants(t *testing.T, kind fault.Kind) {
	t.Helper()
	if kind == "" && g.Lease == nil || kind != "" && !fault.Is(g.Refusal, kind) {
		t.Errorf("got lease %v, refusal %v; want refusal %q", g.Lease, g.Refusal, kind)
	}
}
