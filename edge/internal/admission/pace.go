package admission

import (
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// paces holds the pace of each lane, which this edge learns from its own renders.
type paces struct {
	mu     sync.Mutex
	byLane map[renderjob.Lane]lanes.Pace
}

// note adds the time for which a stored render held its place.
func (p *paces) note(lane renderjob.Lane, held time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byLane[lane] = p.byLane[lane].With(held)
}

func (p *paces) of(lane renderjob.Lane) lanes.Pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byLane[lane]
}
