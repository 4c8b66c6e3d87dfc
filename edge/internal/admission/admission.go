// Package admission asks the coordinator whether a flight may render now.
//
// It is one request for the pools that the throttles count the flight in, all or none, and
// for the thumbnail's "for anyone": if another edge renders this very thumbnail, the flight
// waits for that and has no place elsewhere meanwhile (native.go). classic.go does what can
// be done with the original daemon. When no coordinator answers, flights pass under a limit
// of this edge's own, and the edge says so (local.go).
package admission

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"

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

// Request is one flight that wants to render.
type Request struct {
	Flight    throttle.Request // what the throttles count
	Thumbnail thumbnail.Location
}

func (r Request) thumbnailKey() string {
	return poolcounter.Key(throttle.ThumbnailClass, r.Thumbnail.String())
}

// Config is what an admitter is made of.
type Config struct {
	Coordinators settings.Coordinator
	TLS          *tls.Config // of connections to coordinators; nil: they are not encrypted
	Name         string      // of this edge
	Throttles    throttle.Table
	Throttle     settings.Throttle
	LaneWorkers  func(renderjob.Lane) int  // places of its pool
	Paused       func(renderjob.Lane) bool // by an operator
	Directives   *directive.Set            // where coordinators tell of them
	Fleet        func() []renderjob.Heartbeat
	Status       func() lease.Status // what operators see of this edge, beside what admission adds
	Log          *slog.Logger
	Metrics      prometheus.Registerer
}

// Admitter asks.
type Admitter struct {
	config       Config
	coordinators *coordinators.Coordinators
	connections  *classic.Connections
	paces        *paces
	native       native
	local        local
	decisions    *decisions
	leases       *leases

	mu   sync.Mutex
	away bool // no coordinator answered the last request
}

// New makes an admitter, and begins to connect to the coordinators.
func New(c Config) *Admitter {
	a := &Admitter{
		config: c, connections: classic.New(), paces: &paces{byLane: map[renderjob.Lane]lanes.Pace{}},
		decisions: newDecisions(c.Throttles, c.Metrics), leases: newLeases(c.Throttle.ReleaseTimeout, c.Log, c.Metrics),
		local: local{semaphore.NewWeighted(LocalLimit), c.Throttles.Get(throttle.Local), c.Throttle.QueueWait},
	}
	a.coordinators = coordinators.New(coordinators.Config{
		Servers: c.Coordinators.Servers, Name: c.Name, Secret: string(c.Coordinators.Secret), TLS: c.TLS,
		Rules: func() []lease.Rule { return c.Throttles.Rules(a.limits()) },
		Status: func(asked string, breakers map[string]string) string {
			return status(c.Status(), a.decisions, asked, breakers)
		},
		Fleet:      func() []string { return heartbeats(c.Fleet()) },
		Directives: c.Directives, Log: c.Log, Metrics: c.Metrics,
	})
	a.native = native{a.coordinators, a.paces, c.Throttle.QueueWait}
	return a
}

// limits are those of the settings, and a pool for each lane, as large as the renderers that
// live let it be.
func (a *Admitter) limits() throttle.Limits {
	s := a.config.Throttle
	return throttle.Limits{Settings: s, Lane: func(lane renderjob.Lane) settings.Pool {
		workers := max(a.config.LaneWorkers(lane), 1)
		return settings.Pool{Workers: workers, MaxQueue: a.paces.of(lane).MaxQueue(workers, s.QueueWait), Timeout: s.QueueWait}
	}}
}

// Close ends the connections.
func (a *Admitter) Close() {
	a.coordinators.Close()
	a.connections.Close()
}

// Breaker is what a coordinator's circuit breaker tells.
type Breaker interface {
	Name() string
	State() gobreaker.State
}

// Breakers are those of the coordinators.
func (a *Admitter) Breakers() (all []Breaker) {
	for _, b := range a.coordinators.Breakers() {
		all = append(all, b)
	}
	return all
}

// CountRefusal counts a refusal by a throttle that no coordinator decides.
func (a *Admitter) CountRefusal(by throttle.Name) { a.decisions.count(decision{by, refuse}) }

// way is one of the ways to ask whether a flight may render.
type way interface {
	// ask asks for all needs. Its error is the fault of a refusal; any other, unless ctx
	// has ended, says that nobody answers.
	ask(ctx context.Context, r Request, needs []throttle.Need) (answer, error)
}

// answer is what a way to ask brought.
type answer struct {
	done      bool       // another flight rendered this thumbnail meanwhile
	decisions []decision // of the throttles that decided
	end       func(Outcome)
}

// Admit asks for everything that the flight needs. It returns a lease; or done, when
// another flight rendered this thumbnail meanwhile; or a fault.
func (a *Admitter) Admit(ctx context.Context, r Request) (l Lease, done bool, err error) {
	if a.config.Paused(r.Flight.Lane) {
		a.CountRefusal(throttle.Lane)
		return nil, false, a.pausedLane(r.Flight.Lane)
	}
	said, err := a.ask(ctx, r, a.config.Throttles.Needs(r.Flight, a.limits()))
	a.decisions.count(said.decisions...)
	if r.Flight.Exempt && ctx.Err() == nil && (err == nil || !r.Flight.Rides) { // else the flight asks again
		a.decisions.count(decision{throttle.PerIP, exempt})
	}
	if err != nil || said.done {
		return nil, said.done, err
	}
	return a.leases.open(said.end), false, nil
}

func (a *Admitter) pausedLane(lane renderjob.Lane) error {
	paused := a.config.Throttles.Get(throttle.Lane)
	paused.Sentence = "Operators paused thumbnails of this kind"
	return paused.Refuse(0, "lane %s takes no new work for now", lane)
}

// ask asks the first coordinator that answers; one may go while another comes. Or it lets
// the flight through under this edge's own limit.
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
		a.config.Log.Debug("a coordinator does not answer", "coordinator", address, "error", err)
	}
	a.noteAnswer(ctx, false)
	return a.local.ask(ctx, r, needs)
}

// way says how to ask the first coordinator that answers; it gives nil when none does.
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

// noteAnswer logs when the coordinators go away and come back. A client that leaves says
// nothing about them.
func (a *Admitter) noteAnswer(ctx context.Context, answered bool) {
	if ctx.Err() != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case answered && a.away:
		a.config.Log.Info("a coordinator answers again")
	case !answered && !a.away:
		a.config.Log.Warn("no coordinator answers: requests pass under this edge's own limit", "limit", LocalLimit)
	}
	a.away = !answered
}
