package pools

import (
	"cmp"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

// View is the table at one moment, for operators.
type View struct {
	Pools   []PoolView // the most used first
	Omitted int        // pools beyond these
	Rules   []RuleView
	Owners  []OwnerView
}

// PoolView is one pool.
type PoolView struct {
	Key        string
	Class      poolcounter.Class
	Holders    uint32        // places held
	Waiters    uint32        // places waited for; of a thumbnail, requests that wait for its render
	Limit      uint32        // places; 0 while only PoolCounter's clients use it, who state one each
	MaxQueue   uint32        // places; 0 likewise
	OldestWait time.Duration // of those who stand in line or wait for the render
	Shadow     bool
}

// RuleView is the limits that hold for one kind of pool.
type RuleView struct {
	Name              string
	Workers, MaxQueue uint32
	Shadow            bool
	// Differing is what each edge's configuration has, where they differ.
	Differing map[string]lease.Rule
}

// OwnerView is one edge.
type OwnerView struct {
	Name      string
	Connected bool
	Leases    int
	Waiting   int
}

// View gives the table, with at most so many pools.
func (t *Table) View(most int) View {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := View{Rules: t.ruleViews(), Owners: t.ownerViews()}
	oldest := t.oldest()
	for _, p := range t.pools.entries {
		v.Pools = append(v.Pools, p.view(oldest))
	}
	slices.SortFunc(v.Pools, func(a, b PoolView) int {
		return cmp.Or(cmp.Compare(b.Waiters, a.Waiters), cmp.Compare(b.Holders, a.Holders), cmp.Compare(a.Key, b.Key))
	})
	if len(v.Pools) > most {
		v.Omitted = len(v.Pools) - most
		v.Pools = v.Pools[:most]
	}
	return v
}

// oldest finds since when somebody waits for each pool: all of a request that
// stands in line, the thumbnail of one that waits for a render.
func (t *Table) oldest() map[*pool]time.Time {
	oldest := map[*pool]time.Time{}
	note := func(p *pool, since time.Time) {
		if known, ok := oldest[p]; !ok || since.Before(known) {
			oldest[p] = since
		}
	}
	for r := range t.waiting.entries {
		if r.state == awaiting {
			note(r.thumbnail, r.since)
			continue
		}
		for i := range r.slots {
			note(r.slots[i].pool, r.since)
		}
	}
	return oldest
}

func (p *pool) view(oldest map[*pool]time.Time) PoolView {
	v := PoolView{Key: p.key, Class: p.tally.class, Holders: p.held, Waiters: p.places - p.held}
	if v.Class == poolcounter.ClassThumbnail {
		v.Waiters += uint32(p.asking.Len()) //nolint:gosec // bounded
	}
	if p.rule != nil {
		v.Limit, v.MaxQueue, v.Shadow = p.rule.workers, p.rule.maxQueue, p.rule.shadow
	}
	if since, ok := oldest[p]; ok {
		v.OldestWait = time.Since(since)
	}
	return v
}

func (t *Table) ruleViews() (all []RuleView) {
	for _, r := range t.rules {
		v := RuleView{Name: r.name, Workers: r.workers, MaxQueue: r.maxQueue, Shadow: r.shadow}
		if r.differs {
			v.Differing = map[string]lease.Rule{}
			for o, declared := range r.declared {
				v.Differing[o.name] = declared
			}
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b RuleView) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (t *Table) ownerViews() (all []OwnerView) {
	for _, o := range t.owners {
		v := OwnerView{Name: o.name, Connected: o.receiver != nil}
		for _, r := range o.requests.entries {
			if r.state == holding {
				v.Leases++
			} else {
				v.Waiting++
			}
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b OwnerView) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
