package native

import (
	"context"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/periodic"
)

const (
	pulseEvery = lease.Beat / 4
	// quiet is the time without a frame after which an edge gets a beat that answers none of its own. An idle
	// coordinator answers beats sooner. quiet and pulseEvery together stay below lease.Suspicion.
	quiet = lease.Beat + lease.Beat/10
)

// Start starts to beat.
func (s *Server) Start(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	s.endPulse = cancel
	s.pulse.Go(func() { periodic.Do(ctx, pulseEvery, s.beat) })
	return nil
}

// Stop ends the beats.
func (s *Server) Stop(context.Context) error {
	if s.endPulse != nil {
		s.endPulse()
	}
	s.pulse.Wait()
	return nil
}

// beat sends a beat to each edge that has heard nothing for a while: the answer to its own beat may stand behind thousands
// of requests, and a busy coordinator must not seem to hang. While the table is locked, beat waits: a coordinator
// whose table hangs falls silent.
func (s *Server) beat(context.Context) {
	s.config.Table.Await()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.out.BeatAfter(quiet)
	}
}

// note adds a session to those that get beats, and drop removes it.
func (s *Server) note(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[c] = struct{}{}
}

func (s *Server) drop(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
}
