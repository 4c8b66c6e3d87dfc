package pipeline

import (
	"slices"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// running holds the jobs under way.
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

// Job is one under way, as debuggers see it.
type Job struct {
	ID         string             `json:"id"`
	RequestID  string             `json:"request_id"`
	Trace      string             `json:"trace,omitempty"`
	Lane       renderjob.Lane     `json:"lane"`
	Original   thumbnail.Location `json:"original"`
	Key        thumbnail.Location `json:"key"`
	Deliveries int                `json:"deliveries"`
	InHand     string             `json:"in_hand"` // for how long
	Step       string             `json:"step"`    // fetch, guard, render, store
}

// Jobs are those under way, the oldest first.
func (p *Pipeline) Jobs() []Job {
	p.running.mu.Lock()
	defer p.running.mu.Unlock()
	all := []*job{}
	for j := range p.running.jobs {
		all = append(all, j)
	}
	slices.SortFunc(all, func(a, b *job) int { return a.delivery.Arrived.Compare(b.delivery.Arrived) })
	shown := []Job{}
	for _, j := range all {
		step, _ := j.now.Load().(string)
		shown = append(shown, Job{
			j.job.ID, j.job.RequestID, j.job.Trace, j.job.Lane, j.job.Spec.Original, j.job.Key, j.delivery.Deliveries,
			time.Since(j.delivery.Arrived).Round(time.Millisecond).String(), step,
		})
	}
	return shown
}

// of gives the jobs of an original.
func (r *running) of(original thumbnail.Location) (jobs []*job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for j := range r.jobs {
		if j.job.Spec.Original == original {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// Forget keeps what is rendered now of an original from being stored, since it was purged,
// and has the original fetched anew. The clients of those renders get their pictures. It
// returns when what is being stored is withdrawn: after that nothing of before appears.
func (p *Pipeline) Forget(original thumbnail.Location) {
	p.config.Originals.Forget(original)
	jobs := p.running.of(original)
	for _, j := range jobs {
		j.purged.Store(true)
	}
	for _, j := range jobs {
		j.storing.Lock()
		j.storing.Unlock() //nolint:staticcheck // only the wait counts
	}
}
