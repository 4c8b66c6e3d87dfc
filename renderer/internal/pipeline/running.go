package pipeline

import (
	"slices"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// running has the jobs under way.
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

// Job describes a job under way, for debugging.
type Job struct {
	ID         string             `json:"id"`
	RequestID  string             `json:"request_id"`
	Trace      string             `json:"trace,omitempty"`
	Lane       renderjob.Lane     `json:"lane"`
	Original   thumbnail.Location `json:"original"`
	Key        thumbnail.Location `json:"key"`
	Deliveries int                `json:"deliveries"`
	InHand     string             `json:"in_hand"` // the time since the delivery
	Step       string             `json:"step"`    // such as fetch, guard, render or store
}

// Jobs returns the jobs under way, the oldest first.
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

// of returns the jobs under way of an original.
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

// Forget purges an original: thumbnails that are being rendered are not stored, and the next job fetches
// the original again. Clients of renders under way still get their pictures. Forget returns after jobs
// have taken back the thumbnails that they were storing, so no old thumbnail appears later.
func (p *Pipeline) Forget(original thumbnail.Location) {
	p.config.Originals.Forget(original)
	jobs := p.running.of(original)
	for _, j := range jobs {
		j.purged.Store(true)
	}
	for _, j := range jobs {
		j.storing.Lock()
		j.storing.Unlock() //nolint:staticcheck // Forget only waits for the lock
	}
}
