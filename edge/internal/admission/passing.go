package admission

import "time"

// passingFor is the time for which a flight that RefuseFull let through counts as on its way. Then it has asked, or it asks
// for no place: its original is absent, or it stands in its client's line.
const passingFor = 20 * time.Millisecond

// Passing counts flights that RefuseFull let through and that have not asked for their places yet. Without it, all
// requests of these milliseconds would ask for one free place, and all but one would be refused the long way. Its user
// guards it with a mutex. The zero value counts none.
type Passing struct {
	since        time.Time // when the newer half began
	newer, older int
}

// Add counts one flight.
func (p *Passing) Add() {
	p.age()
	p.newer++
}

// Arrive ends the passing of one flight.
func (p *Passing) Arrive() {
	switch {
	case p.older > 0:
		p.older--
	case p.newer > 0:
		p.newer--
	}
}

// Count returns the number of flights on their way.
func (p *Passing) Count() int {
	p.age()
	return p.newer + p.older
}

// age forgets flights after passingFor, and at the latest after one and a half times as long.
func (p *Passing) age() {
	now := time.Now()
	switch gone := now.Sub(p.since); {
	case gone >= passingFor:
		p.newer, p.older, p.since = 0, 0, now
	case gone >= passingFor/2:
		p.newer, p.older, p.since = 0, p.newer, now
	}
}
