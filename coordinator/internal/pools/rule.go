package pools

import "github.com/thumbmill/thumbmill/shared/lease"

// rule is the limits of one kind of pool, as the owners' configurations have
// them. Where they differ, the lowest holds, and a throttle is in shadow mode only
// if all say so.
type rule struct {
	name              string
	declared          map[*owner]lease.Rule
	workers, maxQueue uint32
	shadow            bool
	differs           bool
	overridden        bool
}

// Override is what an operator has a rule be for a time; 0 and nil leave what it is.
type Override struct {
	Workers, MaxQueue uint32
	Shadow            *bool
}

// Override replaces all overrides, by the names of the rules.
func (t *Table) Override(all map[string]Override) {
	t.lock()
	defer t.unlock()
	t.overrides = all
	changed := map[*rule]bool{}
	for _, r := range t.rules {
		if t.agree(r) {
			changed[r] = true
		}
	}
	t.unsettleAll(changed)
}

// override applies an operator's word. A queue is never shorter than its workers.
func (t *Table) override(r *rule) {
	o, ok := t.overrides[r.name]
	r.overridden = ok
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

// declare replaces an owner's rules, and lets the lines move whose limits change.
func (t *Table) declare(o *owner, rules []lease.Rule) {
	before := o.rules
	o.rules = nil
	for _, declared := range rules {
		if name, err := t.throttles.RuleName(declared.Name); err == nil {
			declared.Name = name // an edge of an earlier version calls it otherwise
		}
		r := t.rules[declared.Name]
		if r == nil {
			r = &rule{name: declared.Name, declared: map[*owner]lease.Rule{}}
			t.rules[declared.Name] = r
		}
		r.declared[o] = declared
		o.rules = append(o.rules, r)
	}
	changed := map[*rule]bool{}
	for _, r := range before {
		if !r.in(o.rules) {
			delete(r.declared, o)
		}
	}
	for _, r := range append(before, o.rules...) {
		if t.agree(r) {
			changed[r] = true
		}
	}
	t.unsettleAll(changed)
}

// unsettleAll lets the lines of rules move that have changed.
func (t *Table) unsettleAll(changed map[*rule]bool) {
	if len(changed) == 0 {
		return
	}
	for _, p := range t.pools.entries {
		if changed[p.rule] {
			t.unsettle(p)
		}
	}
}

func (r *rule) in(rules []*rule) bool {
	for _, other := range rules {
		if other == r {
			return true
		}
	}
	return false
}

// agree finds the limits that hold, and reports whether they are others than before.
// The pools of a rule that nobody declares any more keep its last limits.
func (t *Table) agree(r *rule) (changed bool) {
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
	t.override(r)
	return before.workers != r.workers || before.maxQueue != r.maxQueue || before.shadow != r.shadow
}
