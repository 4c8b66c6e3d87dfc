package pools

import (
	"cmp"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// View is the state of the table at one moment, for operators.
type View struct {
	Pools   []PoolView // the most used first
	Omitted int        // number of pools beyond these
	Lanes   []PoolView // the pools of all lanes, among the most used or not
	Rules   []RuleView
	Owners  []OwnerView
}

// PoolView is one pool.
type PoolView struct {
	Key        string
	Class      throttle.Name
	Holders    uint32        // places
	Waiters    uint32        // places; of a thumbnail, requests that wait for its render
	Limit      uint32        // places; 0 while only PoolCounter's clients use the pool, which state their own limits
	MaxQueue   uint32        // places, holders included; 0 like Limit
	OldestWait time.Duration // of the requests that stand in line or wait for the render
	Shadow     bool
}

// RuleView is the limits in force for one kind of pool.
type RuleView struct {
	Name              string
	Workers, MaxQueue uint32
	Shadow            bool
	Directed          bool // an operator's directive sets limits
	// Differing has the limits of each edge's configuration, if edges differ.
	Differing map[string]lease.Rule
}

// OwnerView is one edge.
type OwnerView struct {
	Name      string
	Connected bool
	Leases    int
	Waiting   int
	Status    string // the edge's own report, as JSON
}

// View returns the state of the table, with at most the given number of pools.
func (t *Table) View(most int) View {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := View{Rules: t.ruleViews(), Owners: t.ownerViews()}
	used := t.mostUsed(most)
	v.Omitted = max(0, len(t.pools.entries)-most)
	oldest := t.oldest(used)
	for _, p := range used {
		v.Pools = append(v.Pools, p.view(oldest[p]))
	}
	for name := range t.rules { // a lane's rule has the name of its one pool
		if p := t.pools.entries[name]; p != nil {
			v.Lanes = append(v.Lanes, p.view(time.Time{}))
		}
	}
	return v
}

// mostUsed returns the pools with the most waiters, at most the given number. The table is locked
// during the call, so mostUsed does not sort the other pools.
func (t *Table) mostUsed(most int) (used []*pool) {
	for _, p := range t.pools.entries {
		if p.held == 0 && p.waiters() == 0 {
			continue // a thumbnail whose askers stand in line elsewhere
		}
		if len(used) >= most && (most == 0 || byUse(p, used[most-1]) > 0) {
			continue
		}
		at, _ := slices.BinarySearchFunc(used, p, byUse)
		used = slices.Insert(used, at, p)
		used = used[:min(len(used), most)]
	}
	return used
}

func byUse(a, b *pool) int {
	return cmp.Or(cmp.Compare(b.waiters(), a.waiters()), cmp.Compare(b.held, a.held), cmp.Compare(a.key, b.key))
}

// waiters returns the places waited for; for a thumbnail, the requests that wait for its render.
func (p *pool) waiters() uint32 { return p.places - p.held + p.awaiting }

// oldest returns the start of the oldest wait for each pool. A request in line waits for all its pools,
// a request that waits for a render only for its thumbnail.
func (t *Table) oldest(of []*pool) map[*pool]time.Time {
	oldest := map[*pool]time.Time{}
	for _, p := range of {
		oldest[p] = time.Time{}
	}
	note := func(p *pool, since time.Time) {
		if known, asked := oldest[p]; asked && (known.IsZero() || since.Before(known)) {
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

func (p *pool) view(oldest time.Time) PoolView {
	v := PoolView{Key: p.key, Class: p.tally.class, Holders: p.held, Waiters: p.waiters()}
	if p.rule != nil {
		v.Limit, v.MaxQueue, v.Shadow = p.rule.workers, p.rule.maxQueue, p.rule.shadow
	}
	if !oldest.IsZero() {
		v.OldestWait = time.Since(oldest)
	}
	return v
}

func (t *Table) ruleViews() (all []RuleView) {
	for _, r := range t.rules {
		v := RuleView{Name: r.name, Workers: r.workers, MaxQueue: r.maxQueue, Shadow: r.shadow, Directed: r.directed}
		if r.differs {
			v.Differing = map[string]lease.Rule{}
			for e, declared := range r.declared {
				v.Differing[e.name] = declared
			}
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b RuleView) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (t *Table) ownerViews() (all []OwnerView) {
	for _, e := range t.edges {
		v := OwnerView{Name: e.name, Connected: e.receiver != nil, Status: e.status}
		for _, r := range e.requests.entries {
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
