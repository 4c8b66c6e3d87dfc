package throttle

import (
	"iter"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Need is a request's places in one pool at the coordinator.
type Need struct {
	Throttle Throttle
	Rule     int    // index of the pool's rule in Rules
	Key      string // of the pool
	Places   int    // at least 1
	Limits   settings.Pool
}

// rule is one set of limits: of a throttle, or of one of its variants.
type rule struct {
	throttle *Throttle
	variant  string // "" for a throttle without variants
}

func (r rule) name() string { return ruleName(r.throttle.Name, r.variant) }

func ruleName(of Name, variant string) string {
	if variant == "" {
		return string(of)
	}
	return string(of) + ":" + variant
}

// rules returns the rules of all throttles with a pool at the coordinator.
func (t Table) rules() iter.Seq[rule] {
	return func(yield func(rule) bool) {
		for i := range t {
			for _, variant := range t[i].variants() {
				if !yield(rule{&t[i], variant}) {
					return
				}
			}
		}
	}
}

// one is the only variant of a throttle without variants.
var one = []string{""}

// variants returns the throttle's variants with a pool at the coordinator.
func (t *Throttle) variants() []string {
	switch {
	case t.Class == "":
		return nil
	case t.Variants == nil:
		return one
	}
	return t.Variants
}

// Rules returns the limits that an edge declares to coordinators: of each rule, then of each network. A
// coordinator changes both as operators direct.
func (t Table) Rules(l Limits) (declared []lease.Rule) {
	for r := range t.rules() {
		declared = append(declared, declare(r.name(), r.throttle.limits(l, r.variant)))
	}
	for _, n := range l.Networks {
		declared = append(declared, declare(NetworkRule(n.Prefix), l.Settings.PerIP))
	}
	return declared
}

func declare(name string, p settings.Pool) lease.Rule {
	return lease.Rule{Name: name, Workers: uint32(p.Workers), MaxQueue: uint32(p.MaxQueue), Shadow: p.Shadow} //nolint:gosec // bounded by settings
}

// Needs returns the pools that a request takes places in, in the order of the table.
func (t Table) Needs(r Request, l Limits) []Need {
	needs, i, own := make([]Need, 0, len(t)), -1, -1
	for of := range t.rules() {
		i++
		limits := of.throttle.limits(l, of.variant)
		if of.throttle.Name == PerIP {
			limits, own = l.OfClient(r.Client)
		}
		name, places := of.throttle.pool(r, limits)
		if places == 0 || of.variant != "" && of.variant != name {
			continue
		}
		needs = append(needs, Need{
			Throttle: *of.throttle, Rule: i, Key: poolcounter.Key(of.throttle.Class, name), Places: places, Limits: limits,
		})
	}
	if own >= 0 && len(needs) > 0 && needs[0].Throttle.Name == PerIP {
		needs[0].Rule = i + 1 + own // after the rules of all throttles
	}
	return needs
}
