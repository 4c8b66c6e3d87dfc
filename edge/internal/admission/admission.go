// Package admission asks the coordinator whether a flight may render now.
//
// It speaks PoolCounter's protocol, to our coordinator or to the original. The
// thumbnail's pool comes first, "for anyone": if another edge renders this very
// thumbnail, the flight waits for that and holds nothing meanwhile. Then come
// the pools of the client, the original, the expensive type and the lane, within
// throttle.queue_wait together. A connection holds four locks, so that a lease
// of five takes two connections.
//
// Coordinators are an ordered list: the first that answers is asked. When none
// answers, flights pass under a limit of this edge's own, and the edge says so.
package admission

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// LocalLimit is how many flights one edge lets through at once while no
// coordinator answers.
const LocalLimit = 32

// thumbnailQueue bounds the edges that wait for one thumbnail.
const thumbnailQueue = 10_000

const releaseTimeout = 2 * time.Second

// Throttle names a rule that can refuse, as refusals and metrics do.
type Throttle string

// The throttles that the coordinator decides.
const (
	PerIP       Throttle = "per-ip"
	PerOriginal Throttle = "per-original"
	Expensive   Throttle = "expensive"
	Lane        Throttle = "lane"
	Local       Throttle = "local" // this edge's own, while no coordinator answers
)

// Request is one flight that wants to render.
type Request struct {
	Client      string // of the flight's leader
	Original    thumbnail.Location
	Type        thumbnail.Type // when it is expensive, else ""
	Lane        renderjob.Lane
	LaneWorkers int
	Thumbnail   thumbnail.Location
}

// Admitter asks.
type Admitter struct {
	throttle  settings.Throttle
	servers   []*server
	local     *semaphore.Weighted
	log       *slog.Logger
	decisions *prometheus.CounterVec
	leases    prometheus.Gauge

	mu   sync.Mutex
	away bool // no coordinator answered the last request
}

// New makes an admitter for an ordered list of coordinators.
func New(servers []string, t settings.Throttle, log *slog.Logger, metrics prometheus.Registerer) *Admitter {
	a := &Admitter{
		throttle: t, local: semaphore.NewWeighted(LocalLimit), log: log,
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thumbmill_throttle_decisions_total", Help: "Decisions of each throttle: admit, wait (admitted after waiting), refuse.",
		}, []string{"throttle", "decision"}),
		leases: prometheus.NewGauge(prometheus.GaugeOpts{Name: "thumbmill_leases", Help: "Leases that this edge holds now."}),
	}
	for _, address := range servers {
		a.servers = append(a.servers, newServer(address, log))
	}
	metrics.MustRegister(a.decisions, a.leases)
	return a
}

// Close drops idle connections.
func (a *Admitter) Close() {
	for _, s := range a.servers {
		s.close()
	}
}

// Admit asks for everything that the flight needs. It returns a lease; or done,
// when another flight rendered this thumbnail meanwhile; or a fault.
func (a *Admitter) Admit(ctx context.Context, r Request) (lease *Lease, done bool, err error) {
	for _, s := range a.servers {
		lease, done, err = a.ask(ctx, s, r)
		var refusal *fault.Fault
		if err == nil || errors.As(err, &refusal) || ctx.Err() != nil {
			a.note(s, err == nil || refusal != nil)
			return lease, done, err
		}
		a.log.Debug("a coordinator does not answer", "coordinator", s.address, "error", err)
	}
	a.note(nil, false)
	return a.admitLocally(ctx)
}

// note logs when the coordinators go away and come back.
func (a *Admitter) note(s *server, answered bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case answered && a.away:
		a.log.Info("a coordinator answers again", "coordinator", s.address)
		a.away = false
	case s == nil && !a.away:
		a.log.Warn("no coordinator answers: requests pass under this edge's own limit", "limit", LocalLimit)
		a.away = true
	}
}

func (a *Admitter) admitLocally(ctx context.Context) (*Lease, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, a.throttle.QueueWait)
	defer cancel()
	if err := a.local.Acquire(ctx, 1); err != nil {
		a.decisions.WithLabelValues(string(Local), "refuse").Inc()
		return nil, false, fault.New(fault.Unavailable, "no coordinator answers, and this edge renders %d thumbnails already", LocalLimit)
	}
	a.decisions.WithLabelValues(string(Local), "admit").Inc()
	return a.newLease(func(bool) { a.local.Release(1) }), false, nil
}

// need is one pool of a request.
type need struct {
	throttle Throttle
	class    poolcounter.Class
	name     string
	pool     settings.Pool
}

func (a *Admitter) needs(r Request) []need {
	t := a.throttle
	needs := []need{
		{PerIP, poolcounter.ClassIP, r.Client, t.PerIP},
		{PerOriginal, poolcounter.ClassOriginal, r.Original.String(), t.PerOriginal},
	}
	if r.Type != "" {
		needs = append(needs, need{Expensive, poolcounter.ClassExpensive, string(r.Type), t.Expensive.Pool()})
	}
	lane := settings.Pool{Workers: r.LaneWorkers, MaxQueue: max(renderjob.LaneQueue, r.LaneWorkers), Timeout: t.QueueWait}
	return append(needs, need{Lane, poolcounter.ClassLane, string(r.Lane), lane})
}

// ask asks one coordinator. An error that is no fault means that it does not answer.
func (a *Admitter) ask(ctx context.Context, s *server, r Request) (*Lease, bool, error) {
	held := &locks{server: s}
	done, err := held.thumbnail(ctx, r.Thumbnail)
	if err == nil && !done {
		err = a.acquireAll(ctx, held, a.needs(r))
	}
	if err != nil || done {
		held.release(done)
		return nil, done, err
	}
	return a.newLease(held.release), false, nil
}

func (a *Admitter) acquireAll(ctx context.Context, held *locks, needs []need) error {
	within, cancel := context.WithTimeout(ctx, a.throttle.QueueWait)
	defer cancel()
	for _, n := range needs {
		began := time.Now()
		answer, err := held.acquire(within, n)
		if err != nil && within.Err() != nil && ctx.Err() == nil {
			answer, err = poolcounter.Timeout, nil // queue_wait is over for all pools together
		}
		if err != nil {
			return err
		}
		if answer != poolcounter.Locked {
			a.decisions.WithLabelValues(string(n.throttle), "refuse").Inc()
			return refusal(n, answer, a.throttle.QueueWait)
		}
		a.decisions.WithLabelValues(string(n.throttle), decision(time.Since(began))).Inc()
	}
	return nil
}

// decision tells those who were let through at once from those who stood in line.
func decision(took time.Duration) string {
	if took > 50*time.Millisecond {
		return "wait"
	}
	return "admit"
}

func refusal(n need, answer poolcounter.Answer, queueWait time.Duration) error {
	why := fmt.Sprintf("no place became free within %v", min(n.pool.Timeout, queueWait))
	if answer == poolcounter.QueueFull {
		why = fmt.Sprintf("%d requests run or wait already", n.pool.MaxQueue)
	}
	kind, what := fault.Throttled, map[Throttle]string{
		PerIP:       "Too many thumbnails are rendered for your address at once",
		PerOriginal: "Too many thumbnails of this original are rendered at once",
		Expensive:   "Too many thumbnails of this expensive type are rendered at once",
		Lane:        "All renderers are busy",
	}[n.throttle]
	if n.throttle == Lane {
		kind = fault.LaneFull
	}
	f := fault.New(kind, "%s (throttle %s): %s", what, n.throttle, why)
	f.Throttle = string(n.throttle)
	f.RetryAfterSeconds = max(1, int(n.pool.Timeout.Seconds()))
	return f
}

// Lease is the right of one flight to render.
type Lease struct {
	once    sync.Once
	end     func(stored bool)
	gauge   prometheus.Gauge
	expired *time.Timer
}

func (a *Admitter) newLease(end func(stored bool)) *Lease {
	l := &Lease{end: end, gauge: a.leases}
	l.gauge.Inc()
	// What was forgotten must not hold its slots for ever.
	l.expired = time.AfterFunc(a.throttle.ReleaseTimeout, func() {
		a.log.Error("a lease was never released; it is ended now")
		l.Release(false)
	})
	return l
}

// Release gives everything back, the thumbnail last. Those who wait for it
// elsewhere find it in the store when it was stored; otherwise one of them is let
// in to try.
func (l *Lease) Release(stored bool) {
	l.once.Do(func() {
		l.expired.Stop()
		l.end(stored)
		l.gauge.Dec()
	})
}
