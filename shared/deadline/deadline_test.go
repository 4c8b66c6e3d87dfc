package deadline

import (
	"testing"
	"time"
)

func TestASecondRenderFits(t *testing.T) {
	for name, c := range map[string]struct {
		split Split
		wrong string
	}{
		"the defaults":     {New(70*time.Second, 5*time.Second, 20*time.Second, 59*time.Second), ""},
		"a long render":    {New(70*time.Second, 5*time.Second, 61*time.Second, 20*time.Second), "edge.deadline"},
		"a long wait":      {New(70*time.Second, 70*time.Second, 20*time.Second, 59*time.Second), "throttle.queue_wait"},
		"just enough time": {New(69*time.Second, 5*time.Second, 20*time.Second, 59*time.Second), ""},
	} {
		problems := c.split.Problems()
		if _, named := problems[c.wrong]; c.wrong == "" && len(problems) > 0 || c.wrong != "" && !named {
			t.Errorf("%s: the problems are %v, want one of %q", name, problems, c.wrong)
		}
	}
}

// An edge gives up later than a renderer refuses, and a job may start after an election.
func TestBoundsStandInOrder(t *testing.T) {
	s := New(70*time.Second, 5*time.Second, 20*time.Second, 59*time.Second)
	if s.GiveUpStart() <= s.Start || s.Start <= s.Admission+Election-1 || AckWait/3 >= AckWait {
		t.Errorf("%+v", s)
	}
	steps := s.Steps()
	if last := steps[len(steps)-1]; last.Bound != s.Whole || len(steps) != 9 {
		t.Errorf("%+v", steps)
	}
}
