package wanted

import (
	"context"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/demand"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// sampleInterval is the pause between two samples.
const sampleInterval = 2 * time.Second

// Table counts granted and refused requests.
type Table interface {
	Counts() (pools.Counts, map[throttle.Name]pools.Class, pools.Times)
}

// Demand measures the clients. Turn begins a new sample.
type Demand interface {
	Turn(now time.Time)
	Loads() []demand.Load
}

// Fleet lists the living renderers.
type Fleet interface{ Living() []renderjob.Heartbeat }

// Sampler gives an estimator a sample every two seconds, and is a part of the coordinator
// (service.Part).
type Sampler struct {
	estimator *Estimator
	table     Table
	demand    Demand
	fleet     Fleet
	group     sync.WaitGroup
	stopped   context.Context //nolint:containedctx // its end is the sampler's
	stop      context.CancelFunc
}

// NewSampler makes a sampler of a lock table, its clients and a fleet.
func NewSampler(e *Estimator, t Table, d Demand, f Fleet) *Sampler {
	s := &Sampler{estimator: e, table: t, demand: d, fleet: f}
	s.stopped, s.stop = context.WithCancel(context.Background())
	return s
}

// Start takes the first sample.
func (s *Sampler) Start(context.Context) error {
	s.group.Go(func() {
		periodic.Do(s.stopped, sampleInterval, func(context.Context) { s.note(time.Now()) })
	})
	return nil
}

// Stop ends the sampling.
func (s *Sampler) Stop(context.Context) error {
	s.stop()
	s.group.Wait()
	return nil
}

func (s *Sampler) note(now time.Time) {
	s.demand.Turn(now)
	taken := s.sample()
	taken.Clients = s.demand.Loads()
	s.estimator.Note(now, taken)
}

func (s *Sampler) sample() (taken Sample) {
	_, classes, _ := s.table.Counts()
	lanes := classes[throttle.Lane]
	taken.Granted, taken.Refused = lanes.Granted, lanes.Full+lanes.TimedOut
	for _, h := range s.fleet.Living() {
		taken.Busy += h.Utilisation*float64(max(h.Whole, h.Slots)) + h.Beside
		if !h.Draining && h.Slots > 0 {
			taken.Slots += h.Slots
			taken.Renderers++
		}
	}
	return taken
}
