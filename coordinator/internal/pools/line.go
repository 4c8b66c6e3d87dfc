package pools

import (
	"container/heap"
	"slices"
)

// line holds the requests that stand at one pool. It is fair among clients by start-time fair queueing
// (P. Goyal, H. Vin, H. Cheng, "Start-time Fair Queuing", 1996). Each client is a flow. The start tag
// of a client's next request is the end of service of its last one, or the line's virtual time if that
// is later. The request with the lowest tag is next. The virtual time is the tag of the request served
// last. A client with a hundred requests in line therefore gets at most one more place before the first
// request of another client, and clients with expensive requests get proportionally fewer places.
// Requests of one client keep the order of their arrival.
//
// A request gets its tag when it becomes its client's next, not at its arrival: a request that leaves
// the line early therefore does not count as served. An empty line forgets everything.
type line struct {
	flows   map[string]*flow
	active  flows
	virtual uint64
}

type flow struct {
	client   string
	start    uint64
	standing []*request // by arrival
	index    int        // in the heap, while requests stand
}

// idleFlows bounds the clients without requests here that one line remembers.
const idleFlows = 4096

func (l *line) head() *request {
	if len(l.active) == 0 {
		return nil
	}
	return l.active[0].standing[0]
}

// all returns the requests that stand here, in no order.
func (l *line) all() (standing []*request) {
	for _, f := range l.active {
		standing = append(standing, f.standing...)
	}
	return standing
}

func (l *line) flow(client string) *flow {
	if l.flows == nil {
		l.flows = map[string]*flow{}
	}
	f := l.flows[client]
	if f == nil {
		f = &flow{client: client}
		l.flows[client] = f
	}
	return f
}

func (l *line) join(r *request) {
	f := l.flow(r.flow)
	first := len(f.standing) == 0
	at, _ := slices.BinarySearchFunc(f.standing, r, byArrival)
	f.standing = slices.Insert(f.standing, at, r)
	if first {
		f.start = max(f.start, l.virtual)
		heap.Push(&l.active, f)
		return
	}
	heap.Fix(&l.active, f.index)
}

func (l *line) leave(r *request) {
	f := l.flows[r.flow]
	if f == nil {
		return
	}
	at, found := slices.BinarySearchFunc(f.standing, r, byArrival)
	switch {
	case !found:
		return
	case at == 0:
		f.standing[0] = nil
		f.standing = f.standing[1:]
	default:
		f.standing = slices.Delete(f.standing, at, at+1)
	}
	if len(f.standing) > 0 {
		heap.Fix(&l.active, f.index)
		return
	}
	f.standing = nil
	heap.Remove(&l.active, f.index)
	if len(l.active) == 0 {
		*l = line{}
	}
	l.prune()
}

// served charges a client for a grant while requests stand here.
func (l *line) served(client string, cost uint64) {
	f := l.flow(client)
	f.start = max(f.start, l.virtual)
	l.virtual = f.start
	f.start += cost
	if len(f.standing) > 0 {
		heap.Fix(&l.active, f.index)
	}
	l.prune()
}

// charge moves a client's next turn by the difference of its last grant's cost to the estimate, while requests stand
// here: a render that took longer than estimated delays the next ones, and a shorter one hastens them. No turn comes
// before the line's virtual time.
func (l *line) charge(client string, more int64) {
	if len(l.active) == 0 {
		return
	}
	f := l.flow(client)
	f.start = max(f.start, l.virtual)
	if more < 0 {
		f.start = max(f.start-min(f.start, uint64(-more)), l.virtual)
	} else {
		f.start += uint64(more)
	}
	if len(f.standing) > 0 {
		heap.Fix(&l.active, f.index)
	}
	l.prune()
}

// prune forgets all clients without requests here once they are more than idleFlows.
func (l *line) prune() {
	if len(l.flows) <= len(l.active)+idleFlows {
		return
	}
	for name, f := range l.flows {
		if len(f.standing) == 0 {
			delete(l.flows, name)
		}
	}
}

// before reports whether a, which stands here, goes before b, which may stand elsewhere.
func (l *line) before(a, b *request) bool {
	first, second := l.flows[a.flow].start, l.virtual
	if f := l.flows[b.flow]; f != nil {
		second = max(second, f.start)
	}
	if first != second && a.flow != b.flow {
		return first < second
	}
	return a.arrival < b.arrival
}

func byArrival(a, b *request) int {
	switch {
	case a.arrival < b.arrival:
		return -1
	case a.arrival > b.arrival:
		return 1
	}
	return 0
}

// flows is a heap of the flows with standing requests.
type flows []*flow

func (h flows) Len() int { return len(h) }

func (h flows) Less(i, j int) bool {
	if h[i].start != h[j].start {
		return h[i].start < h[j].start
	}
	return h[i].standing[0].arrival < h[j].standing[0].arrival
}

func (h flows) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *flows) Push(x any) {
	f := x.(*flow)
	f.index = len(*h)
	*h = append(*h, f)
}

func (h *flows) Pop() any {
	last := len(*h) - 1
	f := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return f
}
