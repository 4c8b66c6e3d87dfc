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

// of gives the jobs of an original.
func (r *running) of(original thumbnail.Location) (jobs []*job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for j := range r.jobs {
		if j.Spec.Original == original {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// Forget keeps what is rendered now of an original from being stored, since it was purged,
// and has the original fetched anew. The clients of those renders get their pictures. It
// returns when what is being stored is taken back: after that nothing of before appears.
func (p *Pipeline) Forget(original thumbnail.Location) {
	p.Source.Forget(original)
	jobs := p.running.of(original)
	for _, j := range jobs {
		j.purged.Store(true)
	}
	for _, j := range jobs {
		j.storing.Lock()
		j.storing.Unlock() //nolint:staticcheck // only the wait counts
	}
}
