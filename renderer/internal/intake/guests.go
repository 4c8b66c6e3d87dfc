package intake

import (
	"maps"
	"sync"
)

// guests counts the jobs in hand of other sites' edges, by site. Those edges count them among their lanes' places.
type guests struct {
	mu     sync.Mutex
	bySite map[string]int
}

func (g *guests) add(site string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bySite == nil {
		g.bySite = map[string]int{}
	}
	if g.bySite[site] += n; g.bySite[site] == 0 {
		delete(g.bySite, site)
	}
}

// Guests returns the number of jobs in hand of other sites' edges, by site.
func (in *Intake) Guests() map[string]int {
	in.guests.mu.Lock()
	defer in.guests.mu.Unlock()
	return maps.Clone(in.guests.bySite)
}
