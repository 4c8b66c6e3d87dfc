package fleet

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// abroad is the renderers of another site.
type abroad struct {
	members *members
	sent    int // jobs that this edge sent to the site since counted
	counted time.Time
}

// of returns the members of a site.
func (f *Fleet) of(site string) *members {
	if site == f.site {
		return f.living
	}
	if f.others[site] == nil {
		f.others[site] = &abroad{members: newMembers()}
	}
	return f.others[site].members
}

// all returns the members of all sites.
func (f *Fleet) all() []*members {
	all := []*members{f.living}
	for _, a := range f.others {
		all = append(all, a.members)
	}
	return all
}

// overflowing returns the living sites that take this site's jobs, the first choice first.
func (f *Fleet) overflowing() (all []*abroad) {
	for _, site := range f.overflow {
		if a := f.others[site]; a != nil {
			all = append(all, a)
		}
	}
	return all
}

func (f *Fleet) abroadSlots() (slots int) {
	for _, a := range f.overflowing() {
		slots += a.members.slots
	}
	return slots
}

// abroadPlaces returns the places that other sites add to a lane's pool: one for each free slot there, and one for each
// job of this site there. Work that no client waits for stays at its site.
func (f *Fleet) abroadPlaces(lane renderjob.Lane) (places int) {
	if lane == renderjob.LaneBulk {
		return 0
	}
	for _, a := range f.overflowing() {
		places += lanes.Slots(lane, a.members.free) + a.members.guests[f.site]
	}
	return places
}

// Choose returns the site whose queue gets the next job of a lane: "" for this site's while one of its renderers has a
// free slot, else the first other site with one, else "" while a renderer here lives, else the first other site with
// renderers. Heartbeats are a second old, so an edge sends a site at most as many jobs in a second as the site had free
// slots.
func (f *Fleet) Choose(lane renderjob.Lane) (site string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.forgetDead(now)
	if lane == renderjob.LaneBulk || f.living.free > 0 {
		return ""
	}
	for _, site := range f.overflow {
		if a := f.others[site]; a != nil && a.takes(now) {
			return site
		}
	}
	for _, site := range f.overflow {
		if a := f.others[site]; a != nil && a.members.slots > 0 && f.living.slots == 0 {
			return site // nobody pulls jobs of this site's queue
		}
	}
	return ""
}

// takes reports whether the site has a free slot for a job of this edge, and counts the job.
func (a *abroad) takes(now time.Time) bool {
	if now.Sub(a.counted) > renderjob.HeartbeatEvery {
		a.sent, a.counted = 0, now
	}
	if a.sent >= a.members.free {
		return false
	}
	a.sent++
	return true
}

// Lives reports whether a renderer of the site lives.
func (f *Fleet) Lives(site string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDead(time.Now())
	return site == f.site && len(f.living.byName) > 0 || f.others[site] != nil
}
