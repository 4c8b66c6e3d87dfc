package admission

import (
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// pace learns how long a place of each lane is held, so that no more requests stand in
// line than can be served while they would wait: the others are refused at once, and may
// come again, instead of after a wait in vain.
type pace struct {
	mu    sync.Mutex
	means map[renderjob.Lane]time.Duration
}

const (
	// paceWeight of the newest in the mean.
	paceWeight = 0.05
	// margin: under load a place is held longer than the mean has learnt yet.
	margin = 0.5
	// shortest line, in places of the lane.
	shortestLine = 4
)

// note takes the time for which a place was held by a render that was stored.
func (p *pace) note(lane renderjob.Lane, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.means == nil {
		p.means = map[renderjob.Lane]time.Duration{}
	}
	mean, known := p.means[lane]
	if !known {
		mean = took
	}
	p.means[lane] = mean + time.Duration(paceWeight*float64(took-mean))
}

// maxQueue is the bound on those who hold one of so many places or wait for one, when
// they wait at most for a time. Nothing known: renderjob.LaneQueue, which it never exceeds.
func (p *pace) maxQueue(lane renderjob.Lane, workers int, wait time.Duration) int {
	p.mu.Lock()
	mean := p.means[lane]
	p.mu.Unlock()
	if mean == 0 {
		return max(renderjob.LaneQueue, workers)
	}
	served := float64(workers) * float64(wait) / float64(mean)
	line := max(int(min(margin*served, renderjob.LaneQueue)), shortestLine*workers)
	return max(min(workers+line, renderjob.LaneQueue), workers)
}
