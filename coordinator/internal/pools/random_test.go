package pools

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// Clients and edges do random things in random order: limits hold, no request waits while there is
// room, places add up, and past keys leave nothing behind.
func TestRandomConversations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newConversation()
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			c.step(t)
			checkTable(t, c.table, c.clients, c.calm)
		}
		c.end()
		counts, _, _ := c.table.Counts()
		if len(c.table.pools.entries) != 0 || counts.Pools != 0 || counts.Waiting != 0 || counts.Processing != 0 ||
			len(c.table.edges) != 0 || len(c.table.rules) != 0 || len(c.table.overdue) != 0 {
			t.Fatalf("the table is not empty: %+v", counts)
		}
	})
}

// conversation is three edges and three clients at one table.
type conversation struct {
	table   *Table
	owners  []*Owner
	clients []*Client
	ids     uint64
	calm    bool // no lease was claimed and no limit changed: no pool can be above its limit
}

func newConversation() *conversation {
	c := &conversation{table: New(nil), calm: true}
	for i := range 3 {
		o, _ := attach(c.table, fmt.Sprint("edge", i), 2, 3, 1)
		c.owners = append(c.owners, o)
		c.clients = append(c.clients, c.table.NewClient(&inbox{}))
	}
	return c
}

// step lets a random edge or client act.
func (c *conversation) step(t *rapid.T) {
	owner := rapid.SampledFrom(c.owners).Draw(t, "owner")
	client := rapid.SampledFrom(c.clients).Draw(t, "client")
	switch rapid.IntRange(0, 12).Draw(t, "what") {
	case 0, 1, 2, 3:
		owner.Acquire(c.someRequest(t))
	case 4, 5:
		if open := sortedIDs(owner); len(open) > 0 {
			owner.Release(rapid.SampledFrom(open).Draw(t, "id"), lease.Outcome(rapid.IntRange(0, 2).Draw(t, "outcome")), "")
		}
	case 6:
		key := rapid.SampledFrom([]string{"2:0", "2:1", "thumbnail:0", "thumbnail:1"}).Draw(t, "key")
		client.Acquire(command(key, rapid.Bool().Draw(t, "anyone"), 1, 9, 3))
	case 7:
		client.Release()
	case 8:
		expireOne(c.table)
	case 9:
		client.Leave()
	case 10:
		c.calm = false
		owner.Claim(c.someRequest(t))
	case 11:
		c.calm = false
		owner.SetRules(someRules(t))
	case 12:
		if c.table.settling {
			settle(c.table)
		} else {
			owner.Settle()
		}
	}
}

// end makes all edges and clients leave, and ends the time for claims.
func (c *conversation) end() {
	settle(c.table)
	for _, o := range c.owners {
		o.Detach()
	}
	for _, client := range c.clients {
		client.Leave()
	}
	for _, o := range c.owners {
		for _, r := range o.edge.requests.entries {
			r.lost = time.Now().Add(-lease.Grace)
		}
		o.edge.endUnclaimed()
	}
}

func someRules(t *rapid.T) (rules []lease.Rule) {
	for i := range 3 {
		rules = append(rules, lease.Rule{
			Name: fmt.Sprint(i), Workers: rapid.Uint32Range(1, 3).Draw(t, "workers"), MaxQueue: 1000, Shadow: rapid.IntRange(0, 3).Draw(t, "shadow") == 0,
		})
	}
	return rules
}

// settle ends the settling at once, as its timer does.
func settle(table *Table) {
	table.lock()
	defer table.unlock()
	for _, o := range table.edges {
		o.moved = time.Time{}
	}
	table.endSettling()
}

// expireOne ends the oldest wait in line.
func expireOne(table *Table) {
	var oldest *request
	for r := range table.waiting.entries {
		if r.state == inLine && (oldest == nil || r.arrival < oldest.arrival) {
			oldest = r
		}
	}
	if oldest != nil {
		oldest.until = time.Now()
		table.expire(oldest)
	}
}

func sortedIDs(o *Owner) (open []uint64) {
	for id := range o.edge.requests.entries {
		open = append(open, id)
	}
	slices.Sort(open)
	return open
}

func (c *conversation) someRequest(t *rapid.T) lease.Request {
	c.ids++
	q := lease.Request{
		ID: c.ids, Client: fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "client of request")), Wait: 3000,
		Cost: rapid.Uint32Range(0, 3).Draw(t, "cost"),
	}
	for rule := range 3 {
		if rapid.Bool().Draw(t, "pool") {
			q.Pools = append(q.Pools, lease.Pool{
				Rule: rule, Places: rapid.Uint32Range(1, 2).Draw(t, "places"),
				Key: fmt.Sprintf("%d:%d", rule, rapid.IntRange(0, 1).Draw(t, "key")),
			})
		}
	}
	if rapid.Bool().Draw(t, "with thumbnail") || len(q.Pools) == 0 {
		q.Thumbnail = fmt.Sprint("thumbnail:", rapid.IntRange(0, 1).Draw(t, "thumbnail"))
	}
	return q
}

// checkTable adds up the places that all requests hold and wait for, and compares the sums with the
// pools.
func checkTable(t *rapid.T, table *Table, clients []*Client, calm bool) {
	held, places := map[*pool]uint32{}, map[*pool]uint32{}
	count := func(r *request) {
		for _, s := range r.slots {
			if r.state != awaiting {
				places[s.pool] += s.places
			}
			if r.state == holding {
				held[s.pool] += s.places
			}
		}
		if r.thumbnail != nil && r.state == holding {
			held[r.thumbnail]++
			places[r.thumbnail]++
		}
		checkRequest(t, table, r)
	}
	classic := map[*pool]bool{}
	for _, o := range table.edges {
		for _, r := range o.requests.entries {
			count(r)
		}
	}
	for _, c := range clients {
		for _, r := range c.locks {
			count(r)
			classic[r.slots[0].pool] = true
		}
	}
	for _, p := range table.pools.entries {
		// Locks of PoolCounter's clients state their own limits and can exceed the edges' limits.
		over := calm && p.rule != nil && p.held > p.rule.workers && !classic[p]
		if places[p] == 0 && p.askers.Len() == 0 && !table.settling || over {
			t.Fatalf("pool %s: %d held, %d places", p.key, p.held, p.places)
		}
	}
	for p := range places {
		if p.held != held[p] || p.places != places[p] {
			t.Fatalf("pool %s: %d held, %d places; its requests have %d and %d", p.key, p.held, p.places, held[p], places[p])
		}
	}
}

func checkRequest(t *rapid.T, table *Table, r *request) {
	_, isEdges := r.by.(*edge)
	switch r.state {
	case inLine:
		if isEdges && !table.settling && r.by.obstacle(r) == nil {
			t.Fatalf("request %d waits while there is room", r.id)
		}
		if isEdges && r.protected == (r.stands != nil) {
			t.Fatalf("request %d: protected %v, stands at %v", r.id, r.protected, r.stands)
		}
		if r.protected {
			for _, s := range r.slots {
				if s.pool.protected != r {
					t.Fatalf("request %d is protected in only some of its pools", r.id)
				}
			}
		}
	case awaiting:
		if r.thumbnail.held == 0 || r.stands != nil {
			t.Fatalf("request %d waits for a render that no request makes", r.id)
		}
	case idle:
		t.Fatalf("request %d is idle", r.id)
	}
}

// A stream of requests that need one pool each keeps the pools full, while other requests need several.
// Each lease lives for at most a given number of steps. An overdue request is granted within one
// lifetime for each older overdue request and one for itself; each request is granted in the end.
func TestNobodyIsOvertakenForEver(t *testing.T) {
	const lifetime = 5
	rapid.Check(t, func(rt *rapid.T) {
		table := New(nil)
		o, box := attach(table, "e", 1, 1, 2)
		s := starvation{t: rt, table: table, owner: o, box: box, born: map[uint64]int{}, overdue: map[uint64][2]int{}, passed: map[uint64]int{}}
		several := 0
		for step := range 400 {
			s.step = step
			s.fill()
			if step < 100 && rapid.IntRange(0, 4).Draw(rt, "several") == 0 {
				several++
				s.acquire(rapid.SampledFrom([][]string{{"a", "b", ""}, {"a", "b", "c"}, {"", "b", "c"}}).Draw(rt, "pools")...)
			}
			s.release(lifetime)
			s.check(lifetime)
		}
		if granted := s.several; granted != several {
			rt.Fatalf("%d of %d requests of several pools were granted, want all", granted, several)
		}
	})
}

type starvation struct {
	t       *rapid.T
	table   *Table
	owner   *Owner
	box     *inbox
	step    int
	ids     uint64
	heard   int
	born    map[uint64]int    // leases: step of the grant
	overdue map[uint64][2]int // requests: step at which they became overdue, and the number of older overdue ones
	passed  map[uint64]int    // protected requests: useless turns before
	several int
}

func (s *starvation) acquire(keys ...string) {
	s.ids++
	q := requestFor(s.ids, fmt.Sprint("client", s.ids), keys...)
	q.Wait = maxWait
	s.owner.Acquire(q)
}

// fill keeps three requests in each line.
func (s *starvation) fill() {
	for i, key := range []string{"a", "b", "c"} {
		standing := 0
		if p := s.table.pools.entries[key]; p != nil {
			for _, f := range p.line.active {
				standing += len(f.standing)
			}
		}
		for ; standing < 3; standing++ {
			keys := make([]string, 3)
			keys[i] = key
			s.acquire(keys...)
		}
	}
}

func (s *starvation) release(lifetime int) {
	for _, a := range s.box.answers[s.heard:] {
		if a.Kind != lease.KindGranted {
			continue
		}
		s.born[a.ID] = s.step
		if r := s.owner.edge.requests.entries[a.ID]; len(r.slots) > 1 {
			s.several++
		}
	}
	s.heard = len(s.box.answers)
	for _, id := range sortedIDs(s.owner) {
		if born, ok := s.born[id]; ok && (s.step-born >= lifetime-1 || rapid.IntRange(0, 3).Draw(s.t, "ends") == 0) {
			s.owner.Release(id, lease.Stored, "")
			delete(s.born, id)
		}
	}
}

func (s *starvation) check(lifetime int) {
	for before, r := range s.table.overdue {
		since, ok := s.overdue[r.id]
		if !ok {
			since = [2]int{s.step, before}
			s.overdue[r.id] = since
		}
		if s.step-since[0] > lifetime*(since[1]+1) {
			s.t.Fatalf("request %d has been overdue for %d steps, with %d older ones", r.id, s.step-since[0], since[1])
		}
	}
	for r := range s.table.waiting.entries {
		if !r.protected {
			continue
		}
		if passed, ok := s.passed[r.id]; ok && passed != r.passed {
			s.t.Fatalf("request %d was passed over while it was protected", r.id)
		}
		s.passed[r.id] = r.passed
	}
}
