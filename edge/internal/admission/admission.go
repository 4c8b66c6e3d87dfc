// Package admission asks the coordinator whether a flight may render now.
//
// It is one request for the pools of the client, the original, the expensive type
// and the lane, all or none, and for the thumbnail's "for anyone": if another
// edge renders this very thumbnail, the flight waits for that and has no place
// elsewhere meanwhile. (classic.go does what can be done with the original
// daemon.) When no coordinator answers, flights pass under a limit of this edge's
// own, and the edge says so.
package admission

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/edge/internal/coordinators"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// LocalLimit is how many flights one edge lets through at once while no
// coordinator answers.
const LocalLimit = 32

// Throttle names a rule that can refuse, as refusals and metrics do.
type Throttle string

// The throttles that the coordinator decides.
const (
	PerIP       Throttle = "per-ip"
	PerOriginal Throttle = "per-original"
	Expensive   Throttle = "expensive"
	Lane        Throttle = "lane"
	Local       Throttle = "local"   // this edge's own, while no coordinator answers
	Failure     Throttle = "failure" // the failure memory's, which Refuse counts
)

// Request is one flight that wants to render.
type Request struct {
	Client    string // of the flight's leader, as clientaddr names it
	Original  thumbnail.Location
	Type      thumbnail.Type // when it is expensive, else ""
	Places    int            // that it takes of its type's pool, when it is expensive
	Lane      renderjob.Lane
	Thumbnail thumbnail.Location
}

// Outcome is how the render of a lease ended. Neither stored nor a fault of the
// original: somebody else has to try.
type Outcome struct {
	Stored bool
	Fault  *fault.Fault
}

// Config is what an admitter is made of.
type Config struct {
	Coordinators settings.Coordinator
	TLS          *tls.Config // of connections to coordinators; nil: they are not encrypted
	Name         string      // of this edge
	Throttle     settings.Throttle
	LaneWorkers  func(renderjob.Lane) int
	Paused       func(renderjob.Lane) bool // by an operator
	Directives   *directive.Set            // where coordinators tell of them
	Fleet        func() []renderjob.Heartbeat
	Status       func() lease.Status // what operators see of this edge, beside what admission adds
	Log          *slog.Logger
	Metrics      prometheus.Registerer
}

// Admitter asks.
type Admitter struct {
	Config
	coordinators *coordinators.Coordinators
	classic      *classic
	local        *semaphore.Weighted
	decisions    *prometheus.CounterVec
	leases       prometheus.Gauge
	pace         paces

	mu     sync.Mutex
	away   bool // no coordinator answered the last request
	counts map[string]map[string]int64
}

// New makes an admitter.
func New(c Config) *Admitter {
	a := &Admitter{
		Config: c, classic: newClassic(), local: semaphore.NewWeighted(LocalLimit),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thumbmill_throttle_decisions_total",
			Help: "Decisions of each throttle: admit, wait (admitted after waiting), refuse, shadow (would have refused or delayed), exempt.",
		}, []string{"throttle", "decision"}),
		leases: prometheus.NewGauge(prometheus.GaugeOpts{Name: "thumbmill_leases", Help: "Leases that this edge holds now."}),
		counts: map[string]map[string]int64{}, pace: paces{byLane: map[renderjob.Lane]lanes.Pace{}},
	}
	c.Metrics.MustRegister(a.decisions, a.leases)
	for _, t := range []Throttle{PerIP, PerOriginal, Expensive, Lane, Local, Failure} {
		a.decisions.WithLabelValues(string(t), "refuse") // there before the first one, so that its rate is known
	}
	a.coordinators = coordinators.New(coordinators.Config{
		Servers: c.Coordinators.Servers, Name: c.Name, Secret: string(c.Coordinators.Secret), TLS: c.TLS,
		Rules: a.rules, Status: a.status, Fleet: a.fleet, Directives: c.Directives, Log: c.Log, Metrics: c.Metrics,
	})
	return a
}

// Close ends the connections.
func (a *Admitter) Close() {
	a.coordinators.Close()
	a.classic.close()
}

// Breakers are those of the coordinators.
func (a *Admitter) Breakers() (all []Breaker) {
	for _, b := range a.coordinators.Breakers() {
		all = append(all, b)
	}
	return all
}

// Admit asks for everything that the flight needs. It returns a lease; or done,
// when another flight rendered this thumbnail meanwhile; or a fault.
func (a *Admitter) Admit(ctx context.Context, r Request) (l *Lease, done bool, err error) {
	if clientaddr.IsExempt(r.Client) {
		a.decide(PerIP, "exempt")
	}
	if a.Paused(r.Lane) {
		a.decide(Lane, "refuse")
		f := fault.New(fault.LaneFull, "Operators have thumbnails of this kind (lane %s) wait for now", r.Lane)
		f.Throttle = string(Lane)
		return nil, false, f
	}
	const rounds = 3 // a coordinator may go and come while it is asked
	for range rounds {
		address, state := a.coordinators.First(ctx)
		switch state {
		case coordinators.Native:
			l, done, err = a.ask(ctx, r)
		case coordinators.Classic:
			l, done, err = a.askClassic(ctx, address, r)
		default:
			a.note(ctx, false)
			return a.admitLocally(ctx)
		}
		var refusal *fault.Fault
		if err == nil || errors.As(err, &refusal) || ctx.Err() != nil {
			a.note(ctx, true)
			return l, done, err
		}
		a.Log.Debug("a coordinator does not answer", "coordinator", address, "error", err)
	}
	a.note(ctx, false)
	return a.admitLocally(ctx)
}

// note logs when the coordinators go away and come back. A client that leaves says
// nothing about them.
func (a *Admitter) note(ctx context.Context, answered bool) {
	if ctx.Err() != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case answered && a.away:
		a.Log.Info("a coordinator answers again")
	case !answered && !a.away:
		a.Log.Warn("no coordinator answers: requests pass under this edge's own limit", "limit", LocalLimit)
	}
	a.away = !answered
}

func (a *Admitter) admitLocally(ctx context.Context) (*Lease, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Throttle.QueueWait)
	defer cancel()
	if err := a.local.Acquire(ctx, 1); err != nil {
		a.decide(Local, "refuse")
		f := fault.New(fault.Unavailable, "no coordinator answers, and this edge renders %d thumbnails already", LocalLimit)
		f.Throttle = string(Local)
		return nil, false, f
	}
	a.decide(Local, "admit")
	return a.newLease(func(Outcome) { a.local.Release(1) }), false, nil
}

// ask asks in the native protocol.
func (a *Admitter) ask(ctx context.Context, r Request) (*Lease, bool, error) {
	needs := a.needs(r)
	began := time.Now()
	held, answer, err := a.coordinators.Acquire(ctx, a.request(r, needs))
	if err != nil {
		return nil, false, err
	}
	switch answer.Kind {
	case lease.KindDone:
		return nil, true, nil
	case lease.KindFailed:
		return nil, false, failedElsewhere(answer.Payload)
	case lease.KindRefused:
		return nil, false, a.refusal(needs, answer)
	}
	for i, n := range needs {
		a.decide(n.throttle, decision(answer, i, time.Since(began)))
	}
	granted := time.Now()
	return a.newLease(func(o Outcome) {
		if o.Stored {
			a.pace.note(r.Lane, time.Since(granted))
		}
		outcome, payload := o.encode()
		held.Release(outcome, payload)
	}), false, nil
}

func (a *Admitter) request(r Request, needs []need) lease.Request {
	wait, cost := a.Throttle.QueueWait, 1
	if r.Type != "" {
		cost = max(r.Places, 1)
	}
	q := lease.Request{
		Client: r.Client, Cost: uint32(cost),
		Thumbnail: poolcounter.Key(poolcounter.ClassThumbnail, r.Thumbnail.String()),
	}
	for _, n := range needs {
		if !n.pool.Shadow {
			wait = min(wait, n.pool.Timeout)
		}
		q.Pools = append(q.Pools, lease.Pool{
			Rule: int(n.rule), Places: uint32(n.places), Key: poolcounter.Key(n.class, n.name), //nolint:gosec // bounded
		})
	}
	q.Wait = uint64(wait.Milliseconds()) //nolint:gosec // not negative
	return q
}

// decision tells those who were let through at once from those who stood in line.
func decision(answer lease.Answer, pool int, took time.Duration) string {
	switch {
	case answer.Shadow>>pool&1 == 1:
		return "shadow"
	case answer.Pool == pool && took > time.Millisecond:
		return "wait"
	}
	return "admit"
}

func (a *Admitter) decide(t Throttle, decision string) {
	a.decisions.WithLabelValues(string(t), decision).Inc()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counts[string(t)] == nil {
		a.counts[string(t)] = map[string]int64{}
	}
	a.counts[string(t)][decision]++
}

// Refuse counts a refusal by the failure memory, which is asked before.
func (a *Admitter) Refuse(t Throttle) { a.decide(t, "refuse") }

func (a *Admitter) refusal(needs []need, answer lease.Answer) error {
	switch {
	case answer.Reason == lease.Full && answer.Pool < 0:
		return fault.New(fault.Unavailable, "too many wait for this thumbnail already")
	case answer.Reason == lease.Malformed || answer.Pool >= len(needs):
		return fault.New(fault.Internal, "the coordinator does not understand this edge: are they of different versions?")
	case answer.Pool < 0:
		return fault.New(fault.Unavailable, "the coordinator takes no more requests of this edge")
	}
	n := needs[answer.Pool]
	a.decide(n.throttle, "refuse")
	return n.refuse(answer.Reason == lease.Full, a.Throttle.QueueWait)
}

// encode is what those who wait for the thumbnail elsewhere are told.
func (o Outcome) encode() (lease.Outcome, string) {
	switch {
	case o.Stored:
		return lease.Stored, ""
	case o.Fault != nil && o.Fault.Kind.Traits().Remember != fault.ScopeNone:
		if text, err := json.Marshal(o.Fault); err == nil && len(text) <= lease.MaxPayload {
			return lease.Faulty, string(text)
		}
	}
	return lease.Vanished, ""
}

// failedElsewhere is the fault that another edge's render ended with.
func failedElsewhere(payload string) error {
	f := &fault.Fault{}
	if err := json.Unmarshal([]byte(payload), f); err != nil || f.Kind == "" {
		return fault.New(fault.Internal, "another render of this thumbnail failed without saying why")
	}
	return f
}

// status is what operators see of this edge.
func (a *Admitter) status(asked string, breakers map[string]string) string {
	s := a.Status()
	maps.Copy(s.Breakers, breakers)
	s.Asked, s.Decisions, s.Directives = asked, map[string]map[string]int64{}, true
	a.mu.Lock()
	for throttle, counts := range a.counts {
		s.Decisions[throttle] = map[string]int64{}
		for decision, n := range counts {
			s.Decisions[throttle][decision] = n
		}
	}
	a.mu.Unlock()
	for {
		text, err := json.Marshal(s)
		if err == nil && len(text) <= lease.MaxFrame/2 || len(s.Failing) == 0 {
			return string(text)
		}
		s.Failing = s.Failing[:len(s.Failing)/2] // the latest are first
	}
}

// fleet cuts what is known of the renderers into parts that can be sent.
func (a *Admitter) fleet() (parts []string) {
	part := []byte("[")
	end := func() {
		if len(part) > 1 {
			parts = append(parts, string(part[:len(part)-1])+"]")
		}
		part = []byte("[")
	}
	for _, h := range a.Fleet() {
		text, err := json.Marshal(h)
		if err != nil || len(text)+len("[]") > coordinators.MaxStatus {
			continue
		}
		if len(part)+len(text)+len(",]") > coordinators.MaxStatus {
			end()
		}
		part = append(append(part, text...), ',')
	}
	end()
	return parts
}

// Lease is the right of one flight to render.
type Lease struct {
	once    sync.Once
	end     func(Outcome)
	gauge   prometheus.Gauge
	expired *time.Timer
}

func (a *Admitter) newLease(end func(Outcome)) *Lease {
	l := &Lease{end: end, gauge: a.leases}
	l.gauge.Inc()
	// What was forgotten must not hold its slots for ever.
	l.expired = time.AfterFunc(a.Throttle.ReleaseTimeout, func() {
		a.Log.Error("a lease was never released; it is ended now")
		l.Release(Outcome{})
	})
	return l
}

// Release gives everything back. Those who wait for the thumbnail elsewhere find
// it in the store when it was stored, or hear of the fault; otherwise one of them
// is let in to try.
func (l *Lease) Release(o Outcome) {
	l.once.Do(func() {
		l.expired.Stop()
		l.end(o)
		l.gauge.Dec()
	})
}
