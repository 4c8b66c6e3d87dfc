package directive

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// MaxDirectives is how many can hold at once.
const MaxDirectives = 256

// mostKnown bounds those that are remembered, withdrawn ones included.
const mostKnown = 4096

// ErrFull says that a set has MaxDirectives.
var ErrFull = fmt.Errorf("there are %d directives already: withdraw some", MaxDirectives)

// Set is the directives that hold. Its methods are safe for concurrent use.
type Set struct {
	changed func() // called without the lock, when one came, was withdrawn or ended

	mu      sync.Mutex
	entries map[string]entry
	timer   *time.Timer // at the next end
	closed  bool
}

type entry struct {
	directive Directive
	until     time.Time
}

// NewSet makes an empty set; changed is called, never twice at once, after each change.
func NewSet(changed func()) *Set {
	var calls sync.Mutex
	s := &Set{entries: map[string]entry{}, changed: func() {
		calls.Lock()
		defer calls.Unlock()
		changed()
	}}
	s.timer = time.AfterFunc(Longest, s.expire)
	return s
}

// Close ends the set's timer.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.timer.Stop()
}

// Add takes a directive, or the news that it is withdrawn, and reports whether that is news.
func (s *Set) Add(d Directive) (news bool, err error) {
	s.mu.Lock()
	known, have := s.entries[d.ID]
	switch {
	case have && (known.directive.Withdrawn != "" || d.Withdrawn == ""):
		s.mu.Unlock()
		return false, nil
	case !have && (len(s.entries) >= mostKnown || d.Withdrawn == "" && s.holding() >= MaxDirectives):
		s.mu.Unlock()
		return false, ErrFull
	}
	until := time.Now().Add(time.Duration(d.LeftMS) * time.Millisecond)
	if have {
		until = known.until
	}
	s.entries[d.ID] = entry{d, until}
	s.rewind()
	s.mu.Unlock()
	s.changed()
	return true, nil
}

// holding counts those that hold; the mutex is held.
func (s *Set) holding() (n int) {
	for _, e := range s.entries {
		if e.directive.Withdrawn == "" {
			n++
		}
	}
	return n
}

// rewind sets the timer to the next end; the mutex is held.
func (s *Set) rewind() {
	next := Longest
	for _, e := range s.entries {
		next = min(next, time.Until(e.until))
	}
	if !s.closed {
		s.timer.Reset(max(next, 0))
	}
}

func (s *Set) expire() {
	s.mu.Lock()
	now := time.Now()
	for id, e := range s.entries {
		if !now.Before(e.until) {
			delete(s.entries, id)
		}
	}
	s.rewind()
	s.mu.Unlock()
	s.changed()
}

// All gives all that have not ended, withdrawn ones included, the oldest first.
func (s *Set) All() (all []Directive) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		d := e.directive
		if d.LeftMS = time.Until(e.until).Milliseconds(); d.LeftMS > 0 {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b Directive) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID)) })
	return all
}

// Holding gives those that hold, the oldest first.
func (s *Set) Holding() []Directive {
	return slices.DeleteFunc(s.All(), func(d Directive) bool { return d.Withdrawn != "" })
}

// Networks returns the networks of all directives of a kind.
func Networks(all []Directive, k Kind) (networks []netip.Prefix) {
	for _, d := range all {
		if d.Kind == k {
			if network, err := netip.ParsePrefix(d.Target); err == nil {
				networks = append(networks, network)
			}
		}
	}
	return networks
}

// Find gives the latest directive of a kind for a target.
func Find(all []Directive, k Kind, target string) (Directive, bool) {
	for _, d := range slices.Backward(all) {
		if d.Kind == k && d.Target == target {
			return d, true
		}
	}
	return Directive{}, false
}
