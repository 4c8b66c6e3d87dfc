// Package directives applies operators' directives (shared/directive) on an edge: it blocks or
// exempts networks, pauses lanes, drains renderers and clears failures. Coordinators apply the
// limits; an edge keeps each client's line as long as the limits of per-ip allow, and declares the rules of
// networks that have limits of their own.
package directives

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const clearTimeout = 5 * time.Second

// Follower applies directives. Its methods are safe for concurrent use.
type Follower struct {
	set      *directive.Set
	holding  atomic.Pointer[holding]
	failures func(ctx context.Context, original string) error
	log      *slog.Logger

	networks []netip.Prefix  // with limits of their own, in the order in which coordinators know them; only follow uses it
	known    map[string]bool // IDs of the directives that are logged, and whose failures are cleared; only follow uses it
	clears   sync.WaitGroup
	ended    context.Context //nolint:containedctx // ends with Close
	end      context.CancelFunc
}

// holding is the current directives, in the form that each request reads.
type holding struct {
	all             []directive.Directive
	blocked, exempt []netip.Prefix
	networks        []netip.Prefix // with limits of their own, now or earlier
}

// New returns a follower without directives. failures clears the failures of an original.
func New(failures func(ctx context.Context, original string) error, log *slog.Logger) *Follower {
	f := &Follower{failures: failures, log: log, known: map[string]bool{}}
	f.holding.Store(&holding{})
	f.ended, f.end = context.WithCancel(context.Background())
	f.set = directive.NewSet(f.follow)
	return f
}

// Set returns the set that receives the coordinators' directives.
func (f *Follower) Set() *directive.Set { return f.set }

// Close cancels the clears under way, and waits for them.
func (f *Follower) Close() {
	f.set.Close()
	f.end()
	f.clears.Wait()
}

// follow applies the set's current directives. It logs each new one, and starts its clear.
func (f *Follower) follow() {
	all := f.set.Holding()
	known := map[string]bool{}
	for _, d := range all {
		known[d.ID] = true
		if f.known[d.ID] {
			continue
		}
		f.log.Info("apply a directive", "kind", d.Kind, "target", d.Target, "who", d.Who, "why", d.Why,
			"for", time.Duration(d.LeftMS)*time.Millisecond)
		if d.Kind == directive.Clear && f.ended.Err() == nil {
			f.clears.Go(func() { f.clear(d) })
		}
	}
	f.known = known
	f.keepNetworks(all)
	f.holding.Store(&holding{
		all, directive.Networks(all, directive.Block), directive.Networks(all, directive.Exempt), slices.Clone(f.networks),
	})
}

// keepNetworks adds the networks that directives limit. A network keeps its place after its directive, because
// leases know their rules by place. Only another network that needs the place takes it.
func (f *Follower) keepNetworks(all []directive.Directive) {
	limited := map[netip.Prefix]bool{}
	for _, d := range all {
		if n, ok := throttle.OfNetworkRule(d.Target); ok && d.Kind == directive.Limit {
			limited[n] = true
		}
	}
	for n := range limited {
		if slices.Contains(f.networks, n) {
			continue
		}
		if len(f.networks) < throttle.MostNetworks {
			f.networks = append(f.networks, n)
		} else if i := slices.IndexFunc(f.networks, func(old netip.Prefix) bool { return !limited[old] }); i >= 0 {
			f.networks[i] = n
		} else {
			f.log.Warn("ignore the limits of a network, because too many networks have limits of their own", "network", n, "most", throttle.MostNetworks)
		}
	}
}

// Networks returns the networks whose clients have, or had, limits of their own. p has the limits that directives
// change.
func (f *Follower) Networks(p settings.Pool) (all []throttle.Network) {
	for _, n := range f.holding.Load().networks {
		rule := throttle.NetworkRule(n)
		_, directed := directive.Find(f.holding.Load().all, directive.Limit, rule)
		all = append(all, throttle.Network{Prefix: n, Pool: f.Limits(rule, p), Directed: directed})
	}
	return all
}

func (f *Follower) clear(d directive.Directive) {
	ctx, cancel := context.WithTimeout(f.ended, clearTimeout)
	defer cancel()
	if err := f.failures(ctx, d.Target); err != nil {
		f.log.Warn("give up clearing an original's failures", "original", d.Target, "error", err)
	}
}

// Blocked reports whether an operator blocks an address.
func (f *Follower) Blocked(addr netip.Addr) bool { return within(f.holding.Load().blocked, addr) }

// Exempt reports whether per-ip does not count an address.
func (f *Follower) Exempt(addr netip.Addr) bool { return within(f.holding.Load().exempt, addr) }

func within(networks []netip.Prefix, addr netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Paused reports whether a lane takes no new jobs.
func (f *Follower) Paused(lane renderjob.Lane) bool {
	_, paused := directive.Find(f.holding.Load().all, directive.Pause, string(lane))
	return paused
}

// Limits returns the limits of a throttle's rule: the configured ones, changed as coordinators do by the
// latest directive for the rule.
func (f *Follower) Limits(rule string, p settings.Pool) settings.Pool {
	d, _ := directive.Find(f.holding.Load().all, directive.Limit, rule)
	if d.Workers > 0 {
		p.Workers = int(d.Workers)
	}
	if d.MaxQueue > 0 {
		p.MaxQueue = int(d.MaxQueue)
	}
	if d.Shadow != nil {
		p.Shadow = *d.Shadow
	}
	p.MaxQueue = max(p.MaxQueue, p.Workers)
	return p
}

// Drains returns the time for which a renderer must take no new jobs. resumed reports that an
// operator withdrew the drain. An edge without a drain of the renderer returns 0 and false.
func (f *Follower) Drains(renderer string) (left time.Duration, resumed bool) {
	all := f.set.All()
	for _, d := range all {
		if d.Kind == directive.Drain && d.Target == renderer {
			if d.Withdrawn != "" {
				resumed = true
				continue
			}
			left = max(left, time.Duration(d.LeftMS)*time.Millisecond)
		}
	}
	return left, resumed && left == 0
}
