package pools

import (
	"slices"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// rule is the limits of one kind of pool, from the edges' configurations. If edges differ, the lowest
// limit holds, and a throttle is in shadow mode only if all edges say so.
type rule struct {
	name              string
	declared          map[*edge]lease.Rule
	workers, maxQueue uint32
	shadow            bool
	differs           bool
	directed          bool
}

// DirectedLimits are an operator's limits for a rule, for a time; 0 and nil keep the configured value.
type DirectedLimits struct {
	Workers, MaxQueue uint32
	Shadow            *bool
}

// Direct replaces the limits of all directives, by the names of the rules.
func (t *Table) Direct(all map[string]DirectedLimits) {
	t.lock()
	defer t.unlock()
	t.directed = all
	changed := map[*rule]bool{}
	for _, r := range t.rules {
		if t.updateLimits(r) {
			changed[r] = true
		}
	}
	t.markPoolsOf(changed)
}

// applyDirectives applies an operator's directive. A queue is never shorter than its workers.
func (t *Table) applyDirectives(r *rule) {
	o, ok := t.directed[r.name]
	r.directed = ok
	if o.Workers > 0 {
		r.workers = o.Workers
	}
	if o.MaxQueue > 0 {
		r.maxQueue = o.MaxQueue
	}
	if o.Workers > 0 || o.MaxQueue > 0 {
		r.maxQueue = max(r.maxQueue, r.workers)
	}
	if o.Shadow != nil {
		r.shadow = *o.Shadow
	}
}

// declare replaces an edge's rules, and marks the pools whose limits change.
func (t *Table) declare(e *edge, rules []lease.Rule) {
	before := e.rules
	e.rules = nil
	for _, declared := range rules {
		if name, err := t.throttles.RuleName(declared.Name); err == nil {
			declared.Name = name // edges of an earlier version use another name
		}
		r := t.rules[declared.Name]
		if r == nil {
			r = &rule{name: declared.Name, declared: map[*edge]lease.Rule{}}
			t.rules[declared.Name] = r
		}
		r.declared[e] = declared
		e.rules = append(e.rules, r)
	}
	changed := map[*rule]bool{}
	for _, r := range before {
		if !slices.Contains(e.rules, r) {
			delete(r.declared, e)
		}
	}
	for _, r := range append(before, e.rules...) {
		if t.updateLimits(r) {
			changed[r] = true
		}
	}
	t.markPoolsOf(changed)
}

// markPoolsOf marks the pools of the changed rules as movable.
func (t *Table) markPoolsOf(changed map[*rule]bool) {
	if len(changed) == 0 {
		return
	}
	for _, p := range t.pools.entries {
		if changed[p.rule] {
			t.markMovable(p)
		}
	}
}

// updateLimits computes the limits in force, and reports whether they changed. The pools of a rule that
// no edge declares any more keep its last limits.
func (t *Table) updateLimits(r *rule) (changed bool) {
	if len(r.declared) == 0 {
		delete(t.rules, r.name)
		return false
	}
	before := *r
	first := true
	for _, d := range r.declared {
		if first {
			r.workers, r.maxQueue, r.shadow, r.differs, first = d.Workers, d.MaxQueue, d.Shadow, false, false
			continue
		}
		r.differs = r.differs || d.Workers != r.workers || d.MaxQueue != r.maxQueue || d.Shadow != r.shadow
		r.workers, r.maxQueue, r.shadow = min(r.workers, d.Workers), min(r.maxQueue, d.MaxQueue), r.shadow && d.Shadow
	}
	t.applyDirectives(r)
	return before.workers != r.workers || before.maxQueue != r.maxQueue || before.shadow != r.shadow
}
