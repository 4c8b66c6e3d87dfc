package fleet

import (
	"container/list"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// members has renderers in the order of their latest heartbeats, with totals: edges ask for the totals with each
// request, and thousands of renderers send heartbeats. The methods are not safe for concurrent use.
type members struct {
	byName  map[string]*list.Element
	order   *list.List       // of *member, the longest silent first
	slots   int              // of the members that do not drain
	free    int              // slots of these that do not render
	guests  map[string]int   // jobs in hand of other sites' edges, by site
	batches map[int]int      // of the members that do not drain
	kinds   map[string]*kind // by renderjob.Heartbeat.Digest, or by name for a renderer before 0.10
	roomy   map[string]int   // the jobs that each member would take at once, as far as this edge knows; never 0
}

// member is a renderer with its latest heartbeat.
type member struct {
	beat renderjob.Heartbeat
	at   time.Time
}

// kind is the renderers with one description.
type kind struct {
	described renderjob.Heartbeat // a heartbeat with the description
	members   int
}

func newMembers() *members {
	return &members{byName: map[string]*list.Element{}, order: list.New(), guests: map[string]int{}, batches: map[int]int{}, kinds: map[string]*kind{}, roomy: map[string]int{}}
}

// put adds a renderer that the members know, or replaces its heartbeat.
func (m *members) put(beat renderjob.Heartbeat, at time.Time) {
	m.count(beat, 1) // first, so that the renderer's kind stays
	if e, known := m.byName[beat.Renderer]; known {
		earlier := e.Value.(*member)
		m.count(earlier.beat, -1)
		*earlier = member{beat, at}
		m.order.MoveToBack(e)
	} else {
		m.byName[beat.Renderer] = m.order.PushBack(&member{beat, at})
	}
	if beat.Draining {
		beat.Free = 0
	}
	m.setRoom(beat.Renderer, beat.Free)
}

// setRoom records the number of jobs that a member would take at once.
func (m *members) setRoom(name string, free int) {
	if free <= 0 || m.byName[name] == nil {
		delete(m.roomy, name)
		return
	}
	m.roomy[name] = free
}

// offer returns a member that would take a job at once, and counts the job: near if it has room, else any one. The map's
// order is random.
func (m *members) offer(near string) (name string, ok bool) {
	if _, ok = m.roomy[near]; ok {
		name = near
	} else {
		for name = range m.roomy {
			ok = true
			break
		}
	}
	m.setRoom(name, m.roomy[name]-1)
	return name, ok
}

// drop removes a renderer, if it is a member.
func (m *members) drop(name string) {
	if e, known := m.byName[name]; known {
		m.count(m.order.Remove(e).(*member).beat, -1)
		delete(m.byName, name)
		delete(m.roomy, name)
	}
}

// count adds a heartbeat to the totals, or removes it.
func (m *members) count(beat renderjob.Heartbeat, by int) {
	m.countKind(beat, by)
	for site, n := range beat.Guests {
		if m.guests[site] += by * n; m.guests[site] == 0 {
			delete(m.guests, site)
		}
	}
	if beat.Draining {
		return
	}
	m.slots += by * beat.Slots
	m.free += by * max(0, beat.Slots-beat.Busy)
	batch := max(1, beat.Batch)
	if m.batches[batch] += by; m.batches[batch] == 0 {
		delete(m.batches, batch)
	}
}

func (m *members) countKind(beat renderjob.Heartbeat, by int) {
	name := kindOf(beat)
	k := m.kinds[name]
	if k == nil {
		k = &kind{}
		m.kinds[name] = k
	}
	if beat.Described() && by > 0 {
		k.described = beat
	}
	if k.members += by; k.members == 0 {
		delete(m.kinds, name)
	}
}

func kindOf(beat renderjob.Heartbeat) string {
	if beat.Digest == "" {
		return "of " + beat.Renderer
	}
	return beat.Digest
}

// silent removes the members that have been silent for longer than limit, and returns them.
func (m *members) silent(now time.Time, limit time.Duration) (gone []member) {
	for e := m.order.Front(); e != nil; e = m.order.Front() {
		last := *e.Value.(*member)
		if now.Sub(last.at) <= limit {
			break
		}
		m.drop(last.beat.Renderer)
		gone = append(gone, last)
	}
	return gone
}

// withSlots returns the names of at most so many members with a free slot. The map's order is random.
func (m *members) withSlots(most int) (names []string) {
	for name, e := range m.byName {
		if len(names) == most {
			break
		}
		if beat := e.Value.(*member).beat; !beat.Draining && beat.Busy < beat.Slots {
			names = append(names, name)
		}
	}
	return names
}

// beats returns the latest heartbeats of the members that keep selects, with their descriptions.
func (m *members) beats(keep func(name string) bool) (all []renderjob.Heartbeat) {
	for e := m.order.Front(); e != nil; e = e.Next() {
		beat := e.Value.(*member).beat
		if !keep(beat.Renderer) {
			continue
		}
		beat = beat.With(m.kinds[kindOf(beat)].described)
		all = append(all, beat)
	}
	return all
}
