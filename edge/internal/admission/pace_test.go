package admission

import (
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

func TestTheLineIsAsLongAsItCanBeServed(t *testing.T) {
	var p pace
	queue := func() int { return p.maxQueue(renderjob.LaneStandard, 3, 2*time.Second) }
	if got := queue(); got != renderjob.LaneQueue {
		t.Errorf("nothing known: %d", got)
	}
	p.note(renderjob.LaneStandard, 50*time.Millisecond)
	if got := queue(); got != 3+60 {
		t.Errorf("20 renders a second and place: %d, want 63", got)
	}
	if got := p.maxQueue(renderjob.LaneExpensive, 3, time.Second); got != renderjob.LaneQueue {
		t.Errorf("another lane: %d", got)
	}
	for range 200 {
		p.note(renderjob.LaneStandard, time.Minute)
	}
	if got := queue(); got != 3+3*shortestLine {
		t.Errorf("renders of a minute: %d", got)
	}
	for range 500 {
		p.note(renderjob.LaneStandard, time.Microsecond)
	}
	if got := queue(); got != renderjob.LaneQueue {
		t.Errorf("renders of no time: %d", got)
	}
	if got := p.maxQueue(renderjob.LaneStandard, 5000, time.Second); got != 5000 {
		t.Errorf("a large fleet: %d", got)
	}
}
