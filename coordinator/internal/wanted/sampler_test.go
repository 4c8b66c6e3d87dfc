package wanted

import (
	"testing"

	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

type living []renderjob.Heartbeat

func (l living) Living() []renderjob.Heartbeat { return l }

// Slow renders are work of the fleet, and no slots of it. Renders of a renderer that drains are work too.
func TestSlowRendersAreWork(t *testing.T) {
	s := NewSampler(New(), pools.New(nil), nil, living{
		{Slots: 8, Whole: 8, Utilisation: 0.5, Beside: 1.5}, {Slots: 2, Whole: 4, Utilisation: 0.25}, {Slots: 8, Whole: 8, Beside: 2, Draining: true},
	})
	if got := s.sample(); got.Busy != 4+1.5+1+2 || got.Slots != 10 || got.Renderers != 2 {
		t.Errorf("%+v", got)
	}
}
