// Package coordinators asks the coordinators of an ordered list for leases.
//
// The first one that answers is asked. Connections to all are kept, so that
// another is asked as soon as one falls silent, which takes less than a second.
// Whenever the one that is asked changes, or its connection was lost, the edge
// claims all its leases there, so that what renders stays counted; a lease that
// several coordinators know ends at all of them.
//
// A daemon that speaks PoolCounter's protocol alone is found out, and left to the
// caller.
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

	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/periodic"
)

// failover is how long requests wait for a coordinator once none answers.
const failover = lease.Silence + 300*time.Millisecond

// mostEnded bounds the leases that one coordinator has yet to hear the end of.
const mostEnded = 10_000

// Config is what they are made of.
type Config struct {
	Servers []string // in order of preference
	Name    string   // of this edge
	Secret  string
	TLS     *tls.Config         // how connections are encrypted; nil: they are not
	Rules   func() []lease.Rule // the limits as they are now; asked twice a second
	// Status is JSON for operators, asked for once a second: who is asked, and the
	// states of the breakers.
	Status func(asked string, breakers map[string]string) string
	// Fleet is the renderers that live, for operators: JSON arrays of at most MaxStatus
	// bytes each, asked for every two seconds.
	Fleet      func() []string
	Directives *directive.Set // where those of all coordinators come together
	Log        *slog.Logger
	Metrics    prometheus.Registerer
}

// MaxStatus bounds what Status and each part of Fleet give, in bytes.
const MaxStatus = lease.MaxFrame - 8

// Coordinators are those of one edge.
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
	changed chan struct{} // closed when a coordinator went up or down
	gone    time.Time     // since when none answers; zero while one does
}

// New makes them and begins to connect.
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
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 3 },
		}),
	}
}

func (cs *Coordinators) register(r prometheus.Registerer) {
	for i, l := range cs.links {
		labels := prometheus.Labels{"coordinator": l.address}
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "thumbmill_coordinator_state", ConstLabels: labels,
			Help: "State of a coordinator: 0 it does not answer, 1 it speaks only PoolCounter's protocol, 2 it speaks the native protocol.",
		}, func() float64 { cs.mu.Lock(); defer cs.mu.Unlock(); return float64(l.state) }))
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "thumbmill_coordinator_asked", ConstLabels: labels,
			Help: "1 for the coordinator that this edge asks.",
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

// Close ends the connections; leases that are left vanish.
func (cs *Coordinators) Close() {
	cs.cancel()
	cs.group.Wait()
}

// Breakers are those of the connections.
func (cs *Coordinators) Breakers() (all []*gobreaker.CircuitBreaker[*conn]) {
	for _, l := range cs.links {
		all = append(all, l.breaker)
	}
	return all
}

// preferred is the one to ask, or nil; the mutex is held. At the start a later one
// that connects sooner is not asked before the earlier ones were tried: other
// edges ask those.
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

// First gives the address and the state of the one to ask, waiting a moment for
// one that answers.
func (cs *Coordinators) First(ctx context.Context) (address string, s State) {
	l, _ := cs.await(ctx)
	if l == nil {
		return "", Down
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return l.address, l.state
}

// await gives the one to ask and its connection. While none answers it waits, but
// no longer than failover from when the last one fell silent.
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

// noteUp takes a coordinator that answers.
func (cs *Coordinators) noteUp(l *link, s State, c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	l.tried, l.state, l.conn = true, s, c
	if c != nil {
		cs.tellAll(l)
	}
	l.why = ""
	cs.log.Info("a coordinator answers", "coordinator", l.address, "native", s == Native)
	cs.chooseAgain()
}

// tellAll tells a coordinator what it has to know first.
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

// noteDown takes one that does not answer. It is tried again and again; each reason is
// logged once.
func (cs *Coordinators) noteDown(l *link, err error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if why := err.Error(); why != l.why && !errors.Is(err, gobreaker.ErrOpenState) && !errors.Is(err, context.Canceled) {
		l.why = why
		cs.log.Warn("a coordinator cannot be asked", "coordinator", l.address, "error", err)
	}
	if !l.tried || l.state != Down {
		l.tried, l.state, l.conn = true, Down, nil
		cs.chooseAgain()
	}
}

// chooseAgain claims all leases when another coordinator is asked than before.
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
	cs.log.Info("this edge asks a coordinator from now on", "coordinator", first.address, "leases", len(cs.leases))
	moved := cs.asked != nil
	cs.asked = first.conn
	if first.conn == nil {
		return // PoolCounter's protocol knows no claims
	}
	if moved {
		first.conn.sendFrame(lease.AppendMoved)
	}
	for _, held := range cs.leases {
		if !held.knows(first) {
			cs.claim(first, held)
			held.at = append(held.at, first)
		}
	}
}

func (cs *Coordinators) claim(l *link, held *Lease) {
	l.conn.sendFrame(func(out []byte) []byte { return lease.AppendRequest(out, lease.KindClaim, held.request) })
}

// informEvery is the pause between two looks at the rules. The status follows at every
// second look, and the fleet at every fourth.
const informEvery = 500 * time.Millisecond

// keepInformed keeps the coordinators' knowledge of this edge fresh, until ctx ends. At the
// first look nothing is news: each coordinator is told all when it is connected.
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

// tellRules tells the rules when they have changed. It gives the address of the coordinator
// that is asked, or "".
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

// greet tells all that is known to a coordinator that understands it.
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

// takeDirective takes a directive of a coordinator. The first frame says that it understands
// them: it is told all that are known here.
func (cs *Coordinators) takeDirective(c *conn, text string) {
	if text == "" {
		cs.greet(c)
		return
	}
	d, err := directive.Decode(text)
	if err != nil {
		cs.log.Warn("a directive is not followed", "error", err)
		return
	}
	news, err := cs.directives.Add(d)
	if err != nil {
		cs.log.Warn("a directive is not followed", "error", err)
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

// toWilling sends to those coordinators that know directives.
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
