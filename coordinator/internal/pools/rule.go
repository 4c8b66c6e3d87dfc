package pools

import "github.com/thumbmill/thumbmill/shared/lease"

// rule is the limits of one kind of pool, as the owners' configurations have
// them. Where they differ, the lowest holds, and a throttle is in shadow mode only
// if all say so.
type rule struct {
	name              string
	declared          map[*Owner]lease.Rule
	workers, maxQueue uint32
	shadow            bool
	differs           bool
}

// declare replaces an owner's rules.
func (t *Table) declare(o *Owner, rules []lease.Rule) {
	before := o.rules
	o.rules = nil
	for _, declared := range rules {
		r := t.rules[declared.Name]
		if r == nil {
			r = &rule{name: declared.Name, declared: map[*Owner]lease.Rule{}}
			t.rules[declared.Name] = r
		}
		r.declared[o] = declared
		o.rules = append(o.rules, r)
	}
	for _, r := range before {
		if !r.in(o.rules) {
			delete(r.declared, o)
		}
		t.agree(r)
	}
	for _, r := range o.rules {
		t.agree(r)
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

// agree finds the limits that hold, and lets the lines of the rule's pools move.
// The pools of a rule that nobody declares any more keep its last limits.
func (t *Table) agree(r *rule) {
	if len(r.declared) == 0 {
		delete(t.rules, r.name)
		return
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
	if before.workers == r.workers && before.maxQueue == r.maxQueue && before.shadow == r.shadow {
		return
	}
	for _, p := range t.pools.entries {
		if p.rule == r {
			t.unsettle(p)
		}
	}
}
