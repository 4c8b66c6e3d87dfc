// Package coordinators asks the coordinators of an ordered list for leases.
//
// The edge asks the first coordinator that answers. It keeps connections to all coordinators, so
// it asks another less than a second after one falls silent. When the edge asks another
// coordinator, or connects again, it claims all its leases there: renders under way stay counted.
// It claims them at the next coordinator as soon as it suspects the asked one, before it asks there.
// A lease that several coordinators know ends at all of them.
//
// The package recognises a daemon that speaks only PoolCounter's protocol. The caller asks that
// daemon itself.
package coordinators

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/shared/breaker"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/periodic"
)

// failover bounds the time that requests wait for a coordinator after the last one fell silent.
const failover = lease.Silence + 300*time.Millisecond

// mostEnded bounds the ended leases that the edge keeps for one coordinator that is down.
const mostEnded = 10_000

// Config configures Coordinators.
type Config struct {
	Servers []string            // addresses, in order of preference
	Name    string              // of this edge
	Secret  string              // "" = none
	TLS     *tls.Config         // of the connections; nil = not encrypted
	Rules   func() []lease.Rule // returns the current limits; called twice a second
	// Status returns JSON for operators, of at most MaxStatus bytes. It is called once a second
	// with the address of the asked coordinator, and with the states of the breakers by name.
	Status func(asked string, breakers map[string]string) string
	// Fleet returns the living renderers for operators: JSON arrays of at most MaxStatus bytes
	// each. It is called every two seconds.
	Fleet      func() []string
	Directives *directive.Set // receives the directives of all coordinators
	Log        *slog.Logger
	Metrics    prometheus.Registerer
}

// MaxStatus bounds the status, and each part of the fleet, in bytes.
const MaxStatus = lease.MaxFrame - 8

// Coordinators holds one edge's connections to its coordinators, and its leases there. The methods
// are safe for concurrent use.
type Coordinators struct {
	name, secret string
	tls          *tls.Config
	log          *slog.Logger
	rulesNow     func() []lease.Rule
	statusNow    func(asked string, breakers map[string]string) string
	fleetNow     func() []string
	directives   *directive.Set
	links        []*link
	cancel       context.CancelFunc
	group        sync.WaitGroup

	mu      sync.Mutex
	rules   []lease.Rule
	status  string
	ids     uint64
	leases  map[uint64]*Lease
	asked   *conn
	ready   *conn         // to a coordinator that this edge told that it moves there
	readied time.Time     // when the edge told so
	changed chan struct{} // closed when a coordinator goes up or down
	gone    time.Time     // when the last coordinator fell silent; zero while a coordinator answers
}

// New returns Coordinators that connect in the background until Close.
func New(c Config) *Coordinators {
	cs := &Coordinators{
		name: c.Name, secret: c.Secret, tls: c.TLS, log: c.Log, rulesNow: c.Rules, statusNow: c.Status,
		fleetNow: c.Fleet, directives: c.Directives,
		rules: c.Rules(), status: c.Status("", nil), leases: map[uint64]*Lease{}, changed: make(chan struct{}), gone: time.Now(),
	}
	for _, address := range c.Servers {
		cs.links = append(cs.links, cs.newLink(address))
	}
	cs.register(c.Metrics)
	ctx, cancel := context.WithCancel(context.Background())
	cs.cancel = cancel
	for _, l := range cs.links {
		cs.group.Go(func() { l.keepConnected(ctx) })
	}
	cs.group.Go(func() { cs.keepInformed(ctx) })
	return cs
}

func (cs *Coordinators) newLink(address string) *link {
	return &link{
		address: address, parent: cs, ended: map[uint64]ended{},
		breaker: gobreaker.NewCircuitBreaker[*conn](gobreaker.Settings{
			Name: "coordinator " + address, Timeout: time.Second,
			ReadyToTrip: breaker.Consecutive(3),
		}),
	}
}

func (cs *Coordinators) register(r prometheus.Registerer) {
	for i, l := range cs.links {
		labels := prometheus.Labels{"coordinator": l.address}
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "thumbmill_coordinator_state", ConstLabels: labels,
			Help: "State of a coordinator: 0 = does not answer, 1 = speaks only PoolCounter's protocol, 2 = speaks the native protocol.",
		}, func() float64 { cs.mu.Lock(); defer cs.mu.Unlock(); return float64(l.state) }))
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "thumbmill_coordinator_asked", ConstLabels: labels,
			Help: "1 for the coordinator that this edge asks, 0 for the others.",
		}, func() float64 {
			cs.mu.Lock()
			defer cs.mu.Unlock()
			if first := cs.preferred(); first == cs.links[i] {
				return 1
			}
			return 0
		}))
	}
}

// Close closes the connections. Open leases then end as lease.Vanished.
func (cs *Coordinators) Close() {
	cs.cancel()
	cs.group.Wait()
}

// Breakers returns the circuit breakers of the connections, in the order of Config.Servers.
func (cs *Coordinators) Breakers() (all []*gobreaker.CircuitBreaker[*conn]) {
	for _, l := range cs.links {
		all = append(all, l.breaker)
	}
	return all
}

// preferred returns the coordinator to ask, or nil; the caller holds the mutex. At the start it
// returns a later coordinator only after one attempt at each earlier one, because other edges ask
// the earlier one.
func (cs *Coordinators) preferred() *link {
	for _, l := range cs.links {
		if l.state != Down {
			return l
		}
		if !l.tried {
			return nil
		}
	}
	return nil
}

// First returns the address and the state of the coordinator to ask. It waits up to failover for a
// coordinator that answers; then it returns "" and Down.
func (cs *Coordinators) First(ctx context.Context) (address string, s State) {
	l, _ := cs.await(ctx)
	if l == nil {
		return "", Down
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return l.address, l.state
}

// await returns the coordinator to ask, and its connection, which is nil for a Classic one. While
// no coordinator answers it waits, at most until failover after the last one fell silent. Then, or
// when ctx ends, it returns nil.
func (cs *Coordinators) await(ctx context.Context) (*link, *conn) {
	for {
		cs.mu.Lock()
		l, changed, gone := cs.preferred(), cs.changed, cs.gone
		var c *conn
		if l != nil {
			c = l.conn
		}
		cs.mu.Unlock()
		if l != nil {
			return l, c
		}
		timer := time.NewTimer(time.Until(gone.Add(failover)))
		select {
		case <-changed:
			timer.Stop()
		case <-timer.C:
			return nil, nil
		case <-ctx.Done():
			timer.Stop()
			return nil, nil
		}
	}
}

// noteUp records that a coordinator answers; c is nil for a Classic one.
func (cs *Coordinators) noteUp(l *link, s State, c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	l.tried, l.state, l.conn = true, s, c
	if c != nil {
		cs.tellAll(l)
	}
	l.why = ""
	cs.log.Info("connect to a coordinator", "coordinator", l.address, "native", s == Native)
	cs.chooseAgain()
}

// tellAll sends the rules, the status, the ended leases and the claims to a new connection. The
// caller holds the mutex.
func (cs *Coordinators) tellAll(l *link) {
	rules, status := cs.rules, cs.status
	l.conn.sendFrame(func(out []byte) []byte { return lease.AppendStatus(lease.AppendRules(out, rules), status) })
	for id, e := range l.ended {
		l.conn.release(id, e.outcome, e.payload)
	}
	clear(l.ended)
	for _, held := range cs.leases {
		if held.knows(l) {
			cs.claim(l, held)
		}
	}
}

// noteDown records that a coordinator does not answer. The link tries again and again, so noteDown
// logs a reason only when it differs from the last one.
func (cs *Coordinators) noteDown(l *link, err error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if why := err.Error(); why != l.why && !errors.Is(err, gobreaker.ErrOpenState) && !errors.Is(err, context.Canceled) {
		l.why = why
		cs.log.Warn("retry a coordinator that does not answer", "coordinator", l.address, "error", err)
	}
	if !l.tried || l.state != Down {
		l.tried, l.state, l.conn = true, Down, nil
		cs.chooseAgain()
	}
}

// chooseAgain chooses the coordinator to ask, and claims all leases there if it is another one, or
// another connection, than before. The caller holds the mutex.
func (cs *Coordinators) chooseAgain() {
	close(cs.changed)
	cs.changed = make(chan struct{})
	first := cs.preferred()
	if first == nil {
		cs.gone = time.Now()
		return
	}
	cs.gone = time.Time{}
	if first.conn == cs.asked {
		return
	}
	cs.log.Info("choose the coordinator to ask", "coordinator", first.address, "leases", len(cs.leases))
	moved := cs.asked != nil
	cs.asked = first.conn
	if first.conn == nil {
		return // PoolCounter's protocol has no claims
	}
	if moved {
		cs.announce(first.conn)
	}
	cs.claimAll(first)
}

// suspect claims all leases at the next coordinator when the asked one has been silent for lease.Suspicion, so that the
// next one has settled when lease.Silence is over. The edge goes on asking the silent one: two coordinators that both
// grant would double every limit. If the silent one answers again, the leases end at both.
func (cs *Coordinators) suspect(l *link) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	next := cs.after(l)
	if next == nil || l != cs.preferred() {
		return
	}
	cs.log.Info("prepare to leave a silent coordinator", "coordinator", l.address, "next", next.address, "leases", len(cs.leases))
	cs.announce(next.conn)
	cs.claimAll(next)
}

// after returns the next coordinator that speaks the native protocol, or nil. The caller holds the mutex.
func (cs *Coordinators) after(l *link) *link {
	for _, next := range cs.links[slices.Index(cs.links, l)+1:] {
		if next.conn != nil {
			return next
		}
	}
	return nil
}

// announce tells a coordinator that this edge moves there, unless it has just told so. The caller holds the mutex.
func (cs *Coordinators) announce(c *conn) {
	if cs.ready == c && time.Since(cs.readied) < lease.Silence {
		return
	}
	cs.ready, cs.readied = c, time.Now()
	c.sendFrame(lease.AppendMoved)
}

// claimAll claims the leases that a coordinator does not know. The caller holds the mutex.
func (cs *Coordinators) claimAll(at *link) {
	for _, held := range cs.leases {
		if !held.knows(at) {
			cs.claim(at, held)
			held.at = append(held.at, at)
		}
	}
}

func (cs *Coordinators) claim(l *link, held *Lease) {
	l.conn.sendFrame(func(out []byte) []byte { return lease.AppendRequest(out, lease.KindClaim, held.request) })
}

// informEvery is the time between two looks at the rules. Every second look sends the status too,
// and every fourth the fleet.
const informEvery = 500 * time.Millisecond

// keepInformed sends changes of the rules and of the status, and the fleet, to the coordinators
// until ctx ends. The first look sends nothing new, since tellAll sends all to a new connection.
func (cs *Coordinators) keepInformed(ctx context.Context) {
	round := 0
	periodic.Do(ctx, informEvery, func(context.Context) {
		asked := cs.tellRules(cs.rulesNow())
		if round%2 == 1 {
			cs.tellStatus(cs.statusNow(asked, cs.states()))
		}
		if round%4 == 1 {
			cs.tellFleet()
		}
		round++
	})
}

// tellRules sends the rules if they have changed. It returns the address of the asked coordinator,
// or "".
func (cs *Coordinators) tellRules(rules []lease.Rule) (asked string) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if !slices.Equal(rules, cs.rules) {
		cs.rules = rules
		cs.toAll(func(out []byte) []byte { return lease.AppendRules(out, rules) })
	}
	if first := cs.preferred(); first != nil {
		return first.address
	}
	return ""
}

// greet sends all known directives, and the fleet, to a coordinator that understands them.
func (cs *Coordinators) greet(c *conn) {
	cs.mu.Lock()
	c.willing = true
	for _, d := range cs.directives.All() {
		c.sendFrame(func(out []byte) []byte { return lease.AppendDirective(out, d.Encode()) })
	}
	cs.mu.Unlock()
	cs.tellFleet()
}

func (cs *Coordinators) tellFleet() {
	parts := cs.fleetNow()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, part := range parts {
		cs.toWilling(func(out []byte) []byte { return lease.AppendFleet(out, part) })
	}
}

// hear takes a coordinator's frame that answers no request.
func (cs *Coordinators) hear(c *conn, k lease.Kind, text string) {
	if k == lease.KindDirective {
		cs.takeDirective(c, text)
		return
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c.counts = true
}

// TurnAway reports a request that this edge refused in the name of the request's first pool, for
// operators. A coordinator before 0.10 does not hear of it, and a coordinator that stalls does not hear of all.
func (cs *Coordinators) TurnAway(r lease.Request, why lease.Reason) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if l := cs.preferred(); l != nil && l.conn != nil && l.conn.counts {
		l.conn.out.Offer(func(out []byte) []byte { return lease.AppendTurned(out, why, r) })
	}
}

// takeDirective takes a directive from a coordinator, and sends a new one to the others. An empty
// text says that the coordinator understands directives, so the edge sends all that it knows.
func (cs *Coordinators) takeDirective(c *conn, text string) {
	if text == "" {
		cs.greet(c)
		return
	}
	d, err := directive.Decode(text)
	if err != nil {
		cs.log.Warn("skip a directive", "error", err)
		return
	}
	news, err := cs.directives.Add(d)
	if err != nil {
		cs.log.Warn("skip a directive", "error", err)
	}
	if !news {
		return
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.toWilling(func(out []byte) []byte { return lease.AppendDirective(out, d.Encode()) })
}

func (cs *Coordinators) states() map[string]string {
	states := map[string]string{}
	for _, l := range cs.links {
		states[l.breaker.Name()] = l.breaker.State().String()
	}
	return states
}

func (cs *Coordinators) tellStatus(status string) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if status != cs.status && len(status) <= MaxStatus {
		cs.status = status
		cs.toAll(func(out []byte) []byte { return lease.AppendStatus(out, status) })
	}
}

// toWilling sends a frame to the coordinators that understand directives. The caller holds the
// mutex.
func (cs *Coordinators) toWilling(frame func([]byte) []byte) {
	for _, l := range cs.links {
		if l.conn != nil && l.conn.willing {
			l.conn.sendFrame(frame)
		}
	}
}

func (cs *Coordinators) toAll(frame func([]byte) []byte) {
	for _, l := range cs.links {
		if l.conn != nil {
			l.conn.sendFrame(frame)
		}
	}
}
