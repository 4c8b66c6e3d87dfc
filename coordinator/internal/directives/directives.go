// Package directives takes operators' directives (shared/directive), over HTTP or from an edge that
// heard them at another coordinator. It applies limits to the lock table, and tells the edges.
//
//	GET    /api/v1/directives         the directives in force
//	GET    /api/v1/directives/audit   who gave and withdrew which directive, the latest first
//	POST   /api/v1/directives         a new directive; hold is a duration such as "30m"
//	DELETE /api/v1/directives/ID      withdraws a directive; ?who= names the operator
package directives

import (
	"log/slog"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/audit"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Edge is a connection of an edge that understands directives. It is used as a map key.
type Edge interface {
	// Hear takes an encoded directive, or "" at first, and must not block.
	Hear(directive string)
}

// Rules are the limits of the lock table.
type Rules interface {
	// Direct replaces the limits of all directives, by the names of the rules.
	Direct(map[string]pools.DirectedLimits)
}

// Fleet lists the living renderers.
type Fleet interface{ Living() []renderjob.Heartbeat }

// Book is one coordinator's directives. Its methods are safe for concurrent use.
type Book struct {
	set   *directive.Set
	rules Rules
	fleet Fleet
	log   *slog.Logger

	mu    sync.Mutex
	edges map[Edge]struct{}
	audit *audit.List
}

// New makes an empty book. Directives of kind limit replace limits of rules. acts gets the acts of operators.
func New(rules Rules, fleet Fleet, acts *audit.List, log *slog.Logger) *Book {
	b := &Book{rules: rules, fleet: fleet, audit: acts, log: log, edges: map[Edge]struct{}{}}
	b.set = directive.NewSet(b.directRules)
	return b
}

// Close stops the timer of the set. It always returns nil.
func (b *Book) Close() error {
	b.set.Close()
	return nil
}

// Holding lists the directives in force.
func (b *Book) Holding() []directive.Directive { return b.set.Holding() }

// directRules applies all limits again. The latest of several directives for one rule wins.
func (b *Book) directRules() {
	limits := map[string]pools.DirectedLimits{}
	for _, d := range b.set.Holding() {
		if d.Kind == directive.Limit {
			limits[d.Target] = pools.DirectedLimits{Workers: d.Workers, MaxQueue: d.MaxQueue, Shadow: d.Shadow}
		}
	}
	b.rules.Direct(limits)
}

// Join tells an edge all known directives, and from then on each new one.
func (b *Book) Join(e Edge) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.edges[e] = struct{}{}
	e.Hear("")
	for _, d := range b.set.All() {
		e.Hear(d.Encode())
	}
}

// Leave stops telling an edge.
func (b *Book) Leave(e Edge) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.edges, e)
}

// Receive takes an encoded directive from an edge, which heard it from another coordinator or before
// this coordinator's start.
func (b *Book) Receive(text string) error {
	d, err := directive.Decode(text)
	if err != nil {
		return err
	}
	return b.spread(d, "receive a directive of another coordinator")
}

// spread keeps a directive and tells the edges, unless it is known already. The log has the event as
// its message.
func (b *Book) spread(d directive.Directive, event string) error {
	news, err := b.set.Add(d)
	if err != nil || !news {
		return err
	}
	b.log.Info(event, "kind", d.Kind, "target", d.Target, "for", time.Duration(d.LeftMS)*time.Millisecond,
		"who", d.Who, "why", d.Why, "withdrawn", d.Withdrawn, "id", d.ID)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.audit.Add(d)
	for e := range b.edges {
		e.Hear(d.Encode())
	}
	return nil
}
