// Package backlog watches how much work waits in the queue, and for how long: also when
// no renderer lives that could tell.
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

// Watcher looks at the queue every second.
type Watcher struct {
	js         jetstream.JetStream
	log        *slog.Logger
	depth, age *prometheus.GaugeVec
	cancel     context.CancelFunc
	group      sync.WaitGroup

	mu   sync.Mutex
	seen []lease.Lane
}

// New begins to watch.
func New(js jetstream.JetStream, log *slog.Logger, r prometheus.Registerer) *Watcher {
	w := &Watcher{
		js: js, log: log, seen: []lease.Lane{},
		depth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "thumbmill_lane_depth", Help: "Jobs of the lane that wait or are in renderers' hands; all edges see the same.",
		}, []string{"lane"}),
		age: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "thumbmill_lane_age_seconds", Help: "Age of the oldest job of the lane that waits or is in a renderer's hand.",
		}, []string{"lane"}),
	}
	r.MustRegister(w.depth, w.age)
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.group.Go(func() { periodic.Do(ctx, every, w.update) })
	return w
}

// Close ends it.
func (w *Watcher) Close() {
	w.cancel()
	w.group.Wait()
}

// Seen is what was seen last: nothing before the first look, nil when the queue does not answer.
func (w *Watcher) Seen() []lease.Lane {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// Stalls reports whether the queue did not answer when it was looked at last, or has a job of
// the lane, of whichever edge, for so long: with nobody, or with a renderer that waits for a
// store.
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
		w.log.Debug("the queue cannot be looked at", "error", err)
		w.depth.Reset() // what was seen last says nothing of now
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

// readLanes asks how many messages each subject has, and for the oldest of each. Ages are by
// the server's clock.
func (w *Watcher) readLanes(ctx context.Context) (seen []lease.Lane, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stream, err := w.js.Stream(ctx, queue.Stream)
	if err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter("render.job.>"))
	if err != nil {
		return nil, err
	}
	for _, lane := range renderjob.Lanes() {
		l := lease.Lane{Name: string(lane), Depth: int64(info.State.Subjects[lane.Subject()])} //nolint:gosec // bounded
		if l.Depth > 0 {
			oldest, err := stream.GetMsg(ctx, info.State.FirstSeq, jetstream.WithGetMsgSubject(lane.Subject()))
			if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) { // it ended meanwhile
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
