// Package admission asks the coordinator whether a flight may render now.
//
// One request asks for places in all pools that count the flight, and for the thumbnail's pool
// "for anyone". The coordinator grants all places or none. If another edge renders the same
// thumbnail, the flight waits for that render, and takes no places meanwhile (native.go). A
// daemon of PoolCounter's protocol is asked for one pool after the other (classic.go). When no
// coordinator answers, flights pass under this edge's own limit, and the edge logs it (local.go).
package admission

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/semaphore"

	"github.com/thumbmill/thumbmill/edge/internal/classic"
	"github.com/thumbmill/thumbmill/edge/internal/coordinators"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Request describes one flight that wants to render.
type Request struct {
	Flight    throttle.Request // for the throttles
	Thumbnail thumbnail.Location
	Cost      time.Duration // estimated processor time of the render: the flight's weight in a line
}

func (r Request) thumbnailKey() string {
	return poolcounter.Key(throttle.ThumbnailClass, r.Thumbnail.String())
}

// Config configures an admitter.
type Config struct {
	Coordinators settings.Coordinator
	TLS          *tls.Config // of connections to coordinators; nil = not encrypted
	Name         string      // of this edge
	Throttles    throttle.Table
	Throttle     settings.Throttle
	SlowWait     time.Duration                // the longest wait of a slow flight
	LaneWorkers  func(renderjob.Lane) int     // places of the lane's pool
	Paused       func(renderjob.Lane) bool    // whether an operator paused the lane
	Networks     func() []throttle.Network    // with limits of their own, the ones of earlier calls at their old places
	Directives   *directive.Set               // receives the directives that coordinators send
	Fleet        func() []renderjob.Heartbeat // of the living renderers
	Status       func() lease.Status          // of this edge, for operators; admission adds its own fields
	Log          *slog.Logger
	Metrics      prometheus.Registerer
}

// Admitter asks coordinators for leases. Its methods are safe for concurrent use.
type Admitter struct {
	config       Config
	coordinators *coordinators.Coordinators
	connections  *classic.Connections
	paces        *paces
	native       native
	local        local
	decisions    *decisions
	leases       *leases
	full         *full

	// declared has the networks of the last declaration, and told has the networks of the one before.
	declared, told atomic.Pointer[[]throttle.Network]

	mu   sync.Mutex
	away bool // no coordinator answered the last request
}

// New returns an admitter that begins to connect to the coordinators. The caller closes it.
func New(c Config) *Admitter {
	a := &Admitter{
		config: c, connections: classic.New(), paces: &paces{byLane: map[renderjob.Lane]lanes.Pace{}},
		decisions: newDecisions(c.Throttles, c.Metrics), full: newFull(c.Throttle.QueueWait), leases: newLeases(c.Throttle.ReleaseTimeout, c.Log, c.Metrics),
		local: local{semaphore.NewWeighted(LocalLimit), c.Throttles.Get(throttle.Local), c.Throttle.QueueWait},
	}
	a.coordinators = coordinators.New(coordinators.Config{
		Servers: c.Coordinators.Servers, Name: c.Name, Secret: string(c.Coordinators.Secret), TLS: c.TLS,
		Rules: a.declare,
		Status: func(asked string, breakers map[string]string) string {
			return status(c.Status(), a.decisions, asked, breakers)
		},
		Fleet:      func() []string { return heartbeats(c.Fleet()) },
		Directives: c.Directives, Log: c.Log, Metrics: c.Metrics,
	})
	a.native = native{a.coordinators, a.paces, c.Throttle.QueueWait, c.SlowWait}
	return a
}

// declare returns the rules for coordinators. The networks in them count for requests from the next call on,
// when the coordinators have these rules.
func (a *Admitter) declare() []lease.Rule {
	networks := a.config.Networks()
	a.told.Store(a.declared.Swap(&networks))
	l := a.limits()
	l.Networks = networks
	return a.config.Throttles.Rules(l)
}

// networks returns the networks that the coordinators know, with their limits now.
func (a *Admitter) networks() (known []throttle.Network) {
	told := a.told.Load()
	if told == nil || len(*told) == 0 {
		return nil
	}
	known = slices.Clone(*told)
	for i, n := range a.config.Networks() {
		if i < len(known) && known[i].Prefix == n.Prefix {
			known[i] = n
		}
	}
	return known
}

// limits returns the limits of the settings, and a pool for each lane. The lane's pool follows
// the number of living renderers (LaneWorkers), and its line follows the lane's pace.
func (a *Admitter) limits() throttle.Limits {
	s := a.config.Throttle
	return throttle.Limits{Settings: s, Networks: a.networks(), Lane: func(lane renderjob.Lane) settings.Pool {
		workers, wait := max(a.config.LaneWorkers(lane), 1), s.QueueWait
		if lane == renderjob.LaneBulk {
			wait = max(wait, a.config.SlowWait)
		}
		return settings.Pool{Workers: workers, MaxQueue: a.paces.of(lane).MaxQueue(workers, wait), Timeout: wait}
	}}
}

// Close closes the connections to all coordinators.
func (a *Admitter) Close() {
	a.coordinators.Close()
	a.connections.Close()
}

// Breaker is the name and the state of a coordinator's circuit breaker.
type Breaker interface {
	Name() string
	State() gobreaker.State
}

// Breakers returns the circuit breakers of the coordinators, in the order of the settings.
func (a *Admitter) Breakers() (all []Breaker) {
	for _, b := range a.coordinators.Breakers() {
		all = append(all, b)
	}
	return all
}

// CountRefusal counts a refusal by a throttle that no coordinator decides.
func (a *Admitter) CountRefusal(by throttle.Name) { a.decisions.count(decision{by, refuse}) }

// TurnAway counts a refusal by per-ip that this edge decided, here and at the coordinator.
func (a *Admitter) TurnAway(r Request, why lease.Reason) {
	a.CountRefusal(throttle.PerIP)
	if needs := a.config.Throttles.Needs(r.Flight, a.limits()); needs[0].Throttle.Name == throttle.PerIP { // false for an exempt client
		a.coordinators.TurnAway(a.native.request(r, needs), why)
	}
}

// way is a way to ask whether a flight may render: native, daemon or local.
type way interface {
	// ask asks for all needs. A refusal is an error with a *fault.Fault in its chain. Any other
	// error means that the coordinator does not answer, unless ctx has ended.
	ask(ctx context.Context, r Request, needs []throttle.Need) (answer, error)
}

// answer is the result of way.ask.
type answer struct {
	done      bool       // another flight rendered this thumbnail meanwhile
	decisions []decision // of the throttles that decided
	end       func(Outcome)
	narrow    func() // gives the lane's place back; nil: it stays until end
}

// Admit asks for all places that the flight needs. It returns a lease that the caller must
// release; or done, when another flight rendered this thumbnail meanwhile; or an error, which is a
// *fault.Fault for a refusal.
func (a *Admitter) Admit(ctx context.Context, r Request) (l Lease, done bool, err error) {
	if !r.Flight.Slow && a.config.Paused(r.Flight.Lane) { // clients wait for slow flights, which the lane bulk takes only for its place in the queue
		a.CountRefusal(throttle.Lane)
		return nil, false, a.config.Throttles.Get(throttle.Lane).Refuse(0, throttle.Paused)
	}
	limits := a.limits()
	leave := a.enter(r.Flight, limits)
	said, err := a.ask(ctx, r, a.config.Throttles.Needs(r.Flight, limits))
	a.decisions.count(said.decisions...)
	if r.Flight.Exempt && ctx.Err() == nil && (err == nil || !r.Flight.Rides) { // a refused ride asks again, and is counted then
		a.decisions.count(decision{throttle.PerIP, exempt})
	}
	if err != nil || said.done {
		leave(err)
		return nil, said.done, err
	}
	return a.leases.open(said.leaving(leave)), false, nil
}

// enter counts a flight in its lane until the result is called, with the error of an admission that failed.
func (a *Admitter) enter(r throttle.Request, limits throttle.Limits) (leave func(error)) {
	if r.Rides {
		return func(error) {}
	}
	most := limits.Lane(r.Lane).MaxQueue
	out := a.full.enter(r.Lane, most)
	return func(err error) {
		out()
		if isFull(err) {
			a.full.note(r.Lane, most)
		}
	}
}

// leaving returns the end of a lease, and the way to give its lane's place back alone, if there is one. Both call leave.
func (s answer) leaving(leave func(error)) (end func(Outcome), narrow func()) {
	end = func(o Outcome) { s.end(o); leave(nil) }
	if s.narrow != nil {
		narrow = func() { s.narrow(); leave(nil) }
	}
	return end, narrow
}

// ask asks the first coordinator that answers. It tries three times, because a coordinator may
// stop while another starts. Then it lets the flight through under this edge's own limit.
func (a *Admitter) ask(ctx context.Context, r Request, needs []throttle.Need) (answer, error) {
	const rounds = 3
	for range rounds {
		address, way := a.way(ctx)
		if way == nil {
			break
		}
		said, err := way.ask(ctx, r, needs)
		var refusal *fault.Fault
		if err == nil || errors.As(err, &refusal) || ctx.Err() != nil {
			a.noteAnswer(ctx, true)
			return said, err
		}
		a.config.Log.Debug("ask another coordinator, since this one does not answer", "coordinator", address, "error", err)
	}
	a.noteAnswer(ctx, false)
	return a.local.ask(ctx, r, needs)
}

// way returns the address of the first coordinator that answers, and the way to ask it; nil when
// no coordinator answers.
func (a *Admitter) way(ctx context.Context) (address string, w way) {
	address, state := a.coordinators.First(ctx)
	switch state {
	case coordinators.Native:
		return address, a.native
	case coordinators.Classic:
		return address, daemon{a.connections, address, a.config.Throttle.QueueWait}
	}
	return "", nil
}

// noteAnswer logs once when no coordinator answers, and once when a coordinator answers again. It
// ignores requests whose ctx has ended: a client that leaves says nothing about coordinators.
func (a *Admitter) noteAnswer(ctx context.Context, answered bool) {
	if ctx.Err() != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case answered && a.away:
		a.config.Log.Info("end this edge's own limit, since a coordinator answers again")
	case !answered && !a.away:
		a.config.Log.Warn("admit flights under this edge's own limit, since no coordinator answers", "limit", LocalLimit)
	}
	a.away = !answered
}
