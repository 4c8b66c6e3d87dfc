package pipeline

import (
	"sync"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// running is the jobs under way.
type running struct {
	mu   sync.Mutex
	jobs map[*job]struct{}
}

func (r *running) add(j *job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.jobs == nil {
		r.jobs = map[*job]struct{}{}
	}
	r.jobs[j] = struct{}{}
}

func (r *running) remove(j *job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.jobs, j)
}

// Forget keeps what is rendered now of an original from being stored, since it was purged,
// and has the original fetched anew. The clients of those renders get their pictures.
func (p *Pipeline) Forget(original thumbnail.Location) {
	p.Source.Forget(original)
	p.running.mu.Lock()
	defer p.running.mu.Unlock()
	for j := range p.running.jobs {
		if j.Spec.Original == original {
			j.purged.Store(true)
		}
	}
}
