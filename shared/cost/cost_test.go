package cost

import (
	"testing"
	"time"
)

func TestPlaces(t *testing.T) {
	var b Book
	places := func(bytes int64) int { return b.Places("tiff", bytes, time.Second, 16) }
	if got := places(1 << 30); got != 1 {
		t.Errorf("nothing known: %d places", got)
	}
	b.Note("tiff", 1<<30, 5*time.Second)
	b.Note("tiff", 1<<14, 100*time.Millisecond)
	if huge, small, other := places(1<<30), places(1<<14), b.Places("pdf", 1<<30, time.Second, 16); huge != 5 || small != 1 || other != 1 {
		t.Errorf("%d %d %d places, want 5 1 1", huge, small, other)
	}
	b.Note("tiff", 1<<30, time.Hour)
	if got := places(1 << 30); got != 8 {
		t.Errorf("a render of an hour takes %d places, want half of 16", got)
	}
	for range 100 { // the book forgets one slow render
		b.Note("tiff", 1<<30, 2*time.Second)
	}
	if got := places(1 << 30); got != 2 {
		t.Errorf("%d places, want 2", got)
	}
}
