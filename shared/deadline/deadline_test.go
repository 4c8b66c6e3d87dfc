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
	if s.SlowStart() <= s.Start || s.Start <= s.Admission+Election-1 || AckWait/3 >= AckWait {
		t.Errorf("%+v", s)
	}
	if s.Restore < Election || s.Behind() < s.Admission || s.Behind()+s.Start+s.Render >= s.Whole {
		t.Errorf("%+v, %v behind others", s, s.Behind())
	}
	if patient := New(30*time.Second, 5*time.Second, 20*time.Second, 20*time.Second); patient.Behind() != patient.Admission {
		t.Errorf("%v behind others of a short deadline", patient.Behind())
	}
	for _, step := range s.Steps() {
		if step.Bound <= 0 || step.Bound > s.Whole && step.Bound != s.Stop() {
			t.Errorf("%+v", step)
		}
	}
}

// A process that stops finishes the longest render that the settings allow, and its write.
func TestAStopCutsNoRender(t *testing.T) {
	for _, longest := range []time.Duration{time.Second, 59 * time.Second, time.Hour} {
		s := New(longest+AckWait, 5*time.Second, time.Second, longest)
		if problems := s.Problems(); s.Stop() < longest+s.Store || problems["edge.deadline"] != "" {
			t.Errorf("renders of %v: a stop takes at most %v, %v", longest, s.Stop(), problems)
		}
	}
}
