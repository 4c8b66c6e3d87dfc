// Package backlog watches the number of jobs in the queue, and the age of the oldest. It asks the
// queue itself, so it works without a living renderer.
package backlog

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

const (
	every   = time.Second
	timeout = time.Second
)

// Watcher looks at the queue every second. Its methods are safe for concurrent use.
type Watcher struct {
	js         jetstream.JetStream
	log        *slog.Logger
	depth, age *prometheus.GaugeVec
	cancel     context.CancelFunc
	group      sync.WaitGroup

	stream jetstream.Stream // nil until it is found; for update alone

	mu   sync.Mutex
	seen []lease.Lane // at the last look; nil = the queue did not answer
}

// New returns a watcher that runs until Close.
func New(js jetstream.JetStream, log *slog.Logger, r prometheus.Registerer) *Watcher {
	w := &Watcher{
		js: js, log: log, seen: []lease.Lane{},
		depth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "thumbmill_lane_depth", Help: "Jobs of the lane in the queue, waiting or at a renderer. All edges report the same number.",
		}, []string{"lane"}),
		age: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "thumbmill_lane_age_seconds", Help: "Age of the lane's oldest job in the queue, waiting or at a renderer.",
		}, []string{"lane"}),
	}
	r.MustRegister(w.depth, w.age)
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.group.Go(func() { periodic.Do(ctx, every, w.update) })
	return w
}

// Close stops the watcher and waits for its goroutine.
func (w *Watcher) Close() {
	w.cancel()
	w.group.Wait()
}

// Seen returns the lanes at the last look: empty before the first look, nil when the queue does
// not answer.
func (w *Watcher) Seen() []lease.Lane {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// Stalls reports whether the queue did not answer at the last look, or whether the lane's oldest
// job, of any edge, is older than longer. Such a job waits for a renderer, or is at a renderer
// that waits for a store.
func (w *Watcher) Stalls(lane renderjob.Lane, longer time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.seen {
		if l.Name == string(lane) {
			return l.AgeMS > longer.Milliseconds()
		}
	}
	return w.seen == nil
}

func (w *Watcher) update(ctx context.Context) {
	seen, err := w.readLanes(ctx)
	if err != nil {
		w.log.Debug("reset the lanes' metrics, since the queue does not answer", "error", err)
		w.depth.Reset() // the last numbers are out of date
		w.age.Reset()
	}
	w.mu.Lock()
	w.seen = seen
	w.mu.Unlock()
	for _, l := range seen {
		w.depth.WithLabelValues(l.Name).Set(float64(l.Depth))
		w.age.WithLabelValues(l.Name).Set(float64(l.AgeMS) / 1000)
	}
}

// readLanes asks the queue for the number of jobs of each lane, and for the oldest job. Ages are
// by the server's clock.
func (w *Watcher) readLanes(ctx context.Context) (seen []lease.Lane, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if w.stream == nil {
		if w.stream, err = w.js.Stream(ctx, queue.Stream); err != nil {
			return nil, err
		}
	}
	info, err := w.stream.Info(ctx, jetstream.WithSubjectFilter("render.job.>"))
	if err != nil {
		return nil, err
	}
	for _, lane := range renderjob.Lanes() {
		l := lease.Lane{Name: string(lane), Depth: int64(info.State.Subjects[lane.Subject()])} //nolint:gosec // bounded
		if l.Depth > 0 {
			oldest, err := w.stream.GetMsg(ctx, info.State.FirstSeq, jetstream.WithGetMsgSubject(lane.Subject()))
			if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) { // the job ended meanwhile
				return nil, err
			}
			if err == nil {
				l.AgeMS = max(0, info.TimeStamp.Sub(oldest.Time).Milliseconds())
			}
		}
		seen = append(seen, l)
	}
	return seen, nil
}
