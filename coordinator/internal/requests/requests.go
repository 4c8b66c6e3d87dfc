// Package requests keeps the latest requests for renders of each client and of each original, for the
// operators' page. Requests for stored thumbnails and for failing originals ask no coordinator.
package requests

import (
	"container/list"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const (
	names = 500 // clients, and originals, in memory: the names of the latest requests
	each  = 40  // requests of each
)

// The outcomes of requests.
const (
	Stored  = "stored"  // the thumbnail was rendered and stored
	Failed  = "failed"  // the original is at fault
	Ended   = "ended"   // the render ended without a thumbnail: the client left, or a part of the cluster failed
	Refused = "refused" // a throttle refused
)

// Request is one request that ended.
type Request struct {
	At        time.Time `json:"at"` // of its end
	Client    string    `json:"client"`
	Original  string    `json:"original"`
	Thumbnail string    `json:"thumbnail"` // its storage key
	Outcome   string    `json:"outcome"`
	Throttle  string    `json:"throttle,omitempty"` // that refused
	Fault     string    `json:"fault,omitempty"`    // kind of the original's fault
	Message   string    `json:"message,omitempty"`  // of the fault
	HeldMS    int64     `json:"held_ms"`            // how long it held its places
}

// Book has the latest requests. Its methods are safe for concurrent use.
type Book struct {
	class     string // of the pools of originals
	mu        sync.Mutex
	clients   latest
	originals latest // by the keys of their pools
}

// New makes an empty book.
func New() *Book {
	return &Book{class: throttle.All().Get(throttle.PerOriginal).Class, clients: newLatest(), originals: newLatest()}
}

// Note adds a request that ended now.
func (b *Book) Note(e pools.Ended) {
	it := &entry{time.Now(), e}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clients.add(e.Client, it)
	b.originals.add(e.Original, it)
}

// OfClient returns the requests of a client, the latest first.
func (b *Book) OfClient(client string) []Request { return b.of(&b.clients, client) }

// OfOriginal returns the requests for thumbnails of an original, the latest first.
func (b *Book) OfOriginal(original string) []Request {
	return b.of(&b.originals, poolcounter.Key(b.class, original))
}

func (b *Book) of(l *latest, name string) []Request {
	b.mu.Lock()
	entries := l.of(name)
	b.mu.Unlock()
	all := []Request{}
	for _, it := range entries {
		all = append(all, it.request())
	}
	return all
}

// entry is a request as the table tells of it. Both lists of the book share it.
type entry struct {
	at  time.Time
	end pools.Ended
}

func (e *entry) request() Request {
	r := Request{
		At: e.at.UTC(), Client: e.end.Client, Original: name(e.end.Original), Thumbnail: name(e.end.Thumbnail), Outcome: Ended,
		Throttle: string(e.end.Refused), HeldMS: e.end.Held.Milliseconds(),
	}
	switch {
	case e.end.Refused != "":
		r.Outcome = Refused
	case e.end.Outcome == lease.Stored:
		r.Outcome = Stored
	case e.end.Outcome == lease.Faulty:
		r.Outcome = Failed
		var f fault.Fault
		if json.Unmarshal([]byte(e.end.Payload), &f) == nil {
			r.Fault, r.Message = string(f.Kind), f.Message
		}
	}
	return r
}

// name returns the name in a pool's key, without the class.
func name(key string) string {
	_, escaped, _ := strings.Cut(key, ":")
	return poolcounter.Unescaped(escaped)
}

// latest has the last entries of the names that came last.
type latest struct {
	places map[string]*list.Element // of order
	order  *list.List               // of *ring, the latest first
}

func newLatest() latest { return latest{map[string]*list.Element{}, list.New()} }

// add adds an entry to a name, and forgets the name that waits longest for one if there are too many.
func (l latest) add(name string, it *entry) {
	if name == "" {
		return
	}
	place := l.places[name]
	if place == nil {
		place = l.order.PushFront(&ring{name: name})
		l.places[name] = place
		if l.order.Len() > names {
			delete(l.places, l.order.Remove(l.order.Back()).(*ring).name) //nolint:forcetypeassert // it has only rings
		}
	}
	l.order.MoveToFront(place)
	place.Value.(*ring).add(it) //nolint:forcetypeassert // it has only rings
}

// of copies the entries of a name, the latest first.
func (l latest) of(name string) (all []*entry) {
	place := l.places[name]
	if place == nil {
		return nil
	}
	r := place.Value.(*ring) //nolint:forcetypeassert // it has only rings
	for i := range r.entries {
		all = append(all, r.entries[(r.next-1-i+2*len(r.entries))%len(r.entries)])
	}
	return all
}

// ring has the last entries of one name.
type ring struct {
	name    string
	entries []*entry
	next    int // place of the next entry
}

func (r *ring) add(it *entry) {
	if len(r.entries) < each {
		r.entries = append(r.entries, it)
	} else {
		r.entries[r.next] = it
	}
	r.next = (r.next + 1) % each
}
