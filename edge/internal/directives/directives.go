// Package directives follows what operators decided (shared/directive) as far as it
// concerns an edge: networks that are kept out or not counted, lanes that pause,
// renderers that drain, failures that are forgotten. Limits are the coordinators'.
package directives

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

const clearTimeout = 5 * time.Second

// Follower follows directives. Its methods are safe for concurrent use.
type Follower struct {
	set      *directive.Set
	holding  atomic.Pointer[holding]
	failures func(ctx context.Context, original string) error
	log      *slog.Logger

	known  map[string]bool // IDs that are logged, and cleared; follow alone uses it
	clears sync.WaitGroup
	ended  context.Context //nolint:containedctx // the follower's own life
	end    context.CancelFunc
}

// holding is what is looked at with each request.
type holding struct {
	all             []directive.Directive
	blocked, exempt []netip.Prefix
}

// New makes a follower of nothing. failures has the failures of an original forgotten.
func New(failures func(ctx context.Context, original string) error, log *slog.Logger) *Follower {
	f := &Follower{failures: failures, log: log, known: map[string]bool{}}
	f.holding.Store(&holding{})
	f.ended, f.end = context.WithCancel(context.Background())
	f.set = directive.NewSet(f.follow)
	return f
}

// Set is where what coordinators tell is put.
func (f *Follower) Set() *directive.Set { return f.set }

// Close waits for what is under way.
func (f *Follower) Close() {
	f.set.Close()
	f.end()
	f.clears.Wait()
}

// follow looks at the set anew.
func (f *Follower) follow() {
	all := f.set.Holding()
	known := map[string]bool{}
	for _, d := range all {
		known[d.ID] = true
		if f.known[d.ID] {
			continue
		}
		f.log.Info("an operator's directive holds here", "kind", d.Kind, "target", d.Target, "who", d.Who, "why", d.Why,
			"for", time.Duration(d.LeftMS)*time.Millisecond)
		if d.Kind == directive.Clear && f.ended.Err() == nil {
			f.clears.Go(func() { f.clear(d) })
		}
	}
	f.known = known
	f.holding.Store(&holding{all, directive.Networks(all, directive.Block), directive.Networks(all, directive.Exempt)})
}

func (f *Follower) clear(d directive.Directive) {
	ctx, cancel := context.WithTimeout(f.ended, clearTimeout)
	defer cancel()
	if err := f.failures(ctx, d.Target); err != nil {
		f.log.Warn("the failures of an original could not be forgotten", "original", d.Target, "error", err)
	}
}

// Blocked reports whether nothing is served to an address.
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

// Paused reports whether a lane takes no new work.
func (f *Follower) Paused(lane renderjob.Lane) bool {
	_, paused := directive.Find(f.holding.Load().all, directive.Pause, string(lane))
	return paused
}

// Drains gives for how long a renderer is to take no new jobs; resumed tells that this is
// over because it was withdrawn. An edge that never heard of it says neither.
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
