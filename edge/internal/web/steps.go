package web

import (
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/obtain"
)

// steps sums up the times of the steps of rendered answers. The names of steps are few.
type steps struct {
	mu  sync.Mutex
	all map[string]time.Duration
}

func (s *steps) add(times obtain.Times) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, step := range times {
		s.all[step.Name] += step.Took
	}
}

// Steps returns the time of each step of rendered answers in milliseconds, as lease.Status has them.
func (h *Handler) Steps() map[string]int64 {
	h.metrics.steps.mu.Lock()
	defer h.metrics.steps.mu.Unlock()
	all := map[string]int64{}
	for name, took := range h.metrics.steps.all {
		all[name] = took.Milliseconds()
	}
	return all
}
