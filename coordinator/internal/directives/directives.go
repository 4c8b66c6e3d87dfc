// Package directives takes what operators decide (shared/directive), over HTTP or from
// an edge that heard it at another coordinator; follows what concerns the lock table, and
// tells the edges.
//
//	GET    /api/v1/directives         those that hold
//	POST   /api/v1/directives         a new one; hold is a duration such as "30m"
//	DELETE /api/v1/directives/ID      withdraws one; ?who= says whose doing it is
package directives

import (
	"log/slog"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Edge is a connection that understands directives. It is used as a key.
type Edge interface {
	// Hear takes a directive as it travels, or "" as the first one, and must not block.
	Hear(directive string)
}

// Rules are the limits of the lock table.
type Rules interface {
	// Direct replaces all limits that directives set, by the names of the rules.
	Direct(map[string]pools.DirectedLimits)
}

// Fleet lists the renderers that live.
type Fleet interface{ Living() []renderjob.Heartbeat }

// Book is one coordinator's directives. Its methods are safe for concurrent use.
type Book struct {
	set   *directive.Set
	rules Rules
	fleet Fleet
	log   *slog.Logger

	mu    sync.Mutex
	edges map[Edge]struct{}
}

// New makes an empty book, whose directives of kind limit replace the limits of rules.
func New(rules Rules, fleet Fleet, log *slog.Logger) *Book {
	b := &Book{rules: rules, fleet: fleet, log: log, edges: map[Edge]struct{}{}}
	b.set = directive.NewSet(b.directRules)
	return b
}

// Close ends the timer of the set. The error is always nil.
func (b *Book) Close() error {
	b.set.Close()
	return nil
}

// Holding lists those that hold.
func (b *Book) Holding() []directive.Directive { return b.set.Holding() }

// directRules sets the limits anew. Of several for one rule the latest holds.
func (b *Book) directRules() {
	limits := map[string]pools.DirectedLimits{}
	for _, d := range b.set.Holding() {
		if d.Kind == directive.Limit {
			limits[d.Target] = pools.DirectedLimits{Workers: d.Workers, MaxQueue: d.MaxQueue, Shadow: d.Shadow}
		}
	}
	b.rules.Direct(limits)
}

// Join tells an edge all that is known, and from then on what is new.
func (b *Book) Join(e Edge) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.edges[e] = struct{}{}
	e.Hear("")
	for _, d := range b.set.All() {
		e.Hear(d.Encode())
	}
}

// Leave ends that.
func (b *Book) Leave(e Edge) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.edges, e)
}

// Receive takes a directive as it travels: one that an edge brings from another coordinator,
// or from before this one's start.
func (b *Book) Receive(text string) error {
	d, err := directive.Decode(text)
	if err != nil {
		return err
	}
	return b.spread(d, "received a directive of another coordinator")
}

// spread keeps a directive and tells the edges, unless it is known already. The event is what
// the log says of it.
func (b *Book) spread(d directive.Directive, event string) error {
	news, err := b.set.Add(d)
	if err != nil || !news {
		return err
	}
	b.log.Info(event, "kind", d.Kind, "target", d.Target, "for", time.Duration(d.LeftMS)*time.Millisecond,
		"who", d.Who, "why", d.Why, "withdrawn", d.Withdrawn, "id", d.ID)
	b.mu.Lock()
	defer b.mu.Unlock()
	for e := range b.edges {
		e.Hear(d.Encode())
	}
	return nil
}
