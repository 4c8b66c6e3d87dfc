package intake

import (
	"context"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// leastAside is the least number of jobs of one origin that may be aside at once. origins is the number
// of origins whose jobs may be aside in full number.
const leastAside, origins = 16, 4

const (
	// leastStoring is the least number of jobs that may store at once without a place. A Swift that answers after 2 s
	// takes 6 s for a job, so that 64 jobs are ten a second.
	leastStoring = 64
	// mostStored bounds the bytes of their pictures, beside one picture of any size.
	mostStored = 64 << 20
)

// Place is a job's place in the room. A job that waits for bytes of its original steps aside, and takes
// a place again when the bytes are there: slow origins then take no place of jobs that could render. A rendered
// job gives its place back while it stores.
type Place struct {
	room *room
	kind kind

	// The room's mutex guards origin, aside, storing and bytes.
	origin  string
	aside   bool
	storing bool
	bytes   int64 // of the picture, while the job stores
}

// mostStoring returns the number of jobs that may store at once without a place. The caller holds mu.
func (r *room) mostStoring() int { return max(leastStoring, 8*r.total) }

// mostAside returns the number of jobs of one origin that may be aside at once. The caller holds mu.
func (r *room) mostAside() int { return max(leastAside, 2*r.total) }

// StepAside gives the place back until Return, and returns true. It returns false, and changes nothing,
// if too many jobs of this origin, or of all origins, are aside already; origin is as in
// objectstore.Origin. On a nil place it returns true.
func (p *Place) StepAside(origin string) bool {
	if p == nil {
		return true
	}
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.aside || r.aside[origin] >= r.mostAside() || r.allAside >= origins*r.mostAside() {
		return p.aside
	}
	r.add(p.kind, -1)
	r.aside[origin]++
	r.allAside++
	p.origin, p.aside = origin, true
	r.wake()
	return true
}

// Return takes a place again, before any job that is not pulled yet. It returns ErrNotBegun if drain
// is closed first, and ctx's error if ctx ends first; the job then stays aside. It returns nil at once
// for a place that is not aside, and for a nil place.
func (p *Place) Return(ctx context.Context, drain <-chan struct{}) error {
	if p == nil {
		return nil
	}
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if !p.aside {
		return nil
	}
	r.returning[p.kind]++
	defer func() { r.returning[p.kind]--; r.wake() }()
	for !r.fits(p.kind) {
		changed := r.changed
		r.mu.Unlock()
		err := await(ctx, changed, drain)
		r.mu.Lock()
		if err != nil {
			return err
		}
	}
	r.endAside(p)
	r.add(p.kind, 1)
	return nil
}

// Store gives the place back for the rest of the job, which only stores a picture of that many bytes from now on, and
// returns true. It returns false, and changes nothing, if too many jobs or bytes are stored already. On a nil place it
// returns true.
func (p *Place) Store(bytes int64) bool {
	if p == nil {
		return true
	}
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.storing >= r.mostStoring() || r.storing > 0 && r.stored+bytes > mostStored {
		return false
	}
	p.storing, p.bytes = true, bytes
	r.storing++
	r.stored += bytes
	r.add(p.kind, -1)
	r.wake()
	return true
}

// await returns nil when changed is closed.
func await(ctx context.Context, changed, drain <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-drain:
		return ErrNotBegun
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave ends the job's stay in the room, aside, storing or neither.
func (p *Place) leave() {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case p.aside:
		r.endAside(p)
	case p.storing:
		r.storing--
		r.stored -= p.bytes
	default:
		r.add(p.kind, -1)
	}
	r.wake()
}

// endAside uncounts a job that is aside. The caller holds mu.
func (r *room) endAside(p *Place) {
	p.aside = false
	r.allAside--
	if r.aside[p.origin]--; r.aside[p.origin] == 0 {
		delete(r.aside, p.origin)
	}
}

// fits reports whether one more job fits. The caller holds mu.
func (r *room) fits(k kind) bool {
	return (k.slow || r.inHand < r.total) && r.byLane[k.lane] < r.caps[k.lane]
}

// hasReturning returns the number of jobs of a lane, and of all jobs that are not slow, that wait to return. The
// caller holds mu.
func (r *room) hasReturning(lane renderjob.Lane) (here, all int) {
	for k, n := range r.returning {
		if k.lane == lane {
			here += n
		}
		if !k.slow {
			all += n
		}
	}
	return here, all
}
