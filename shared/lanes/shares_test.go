package lanes

import (
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

func TestWeights(t *testing.T) {
	for estimate, want := range map[time.Duration]int{0: 1, 2 * time.Second: 1, 7 * time.Second: 1, 8 * time.Second: 2, 50 * time.Second: 10} {
		if got := Weight(estimate, 5*time.Second); got != want {
			t.Errorf("%v takes %d places, want %d", estimate, got, want)
		}
	}
	for _, c := range []struct{ places, workers, want int }{{1, 1, 1}, {9, 1, 1}, {9, 10, 5}, {3, 10, 3}, {0, 10, 1}} {
		if got := AtMostHalf(c.places, c.workers); got != c.want {
			t.Errorf("%d places of %d workers: %d, want %d", c.places, c.workers, got, c.want)
		}
	}
}

func TestSharesOfALane(t *testing.T) {
	for _, c := range []struct{ workers, maxQueue, want uint32 }{{6, 90, 45}, {6, 8, 5}, {1, 1, 1}, {0, 0, 1}, {2, 2, 1}} {
		if got := MostOfClient(c.workers, c.maxQueue); got != c.want {
			t.Errorf("%d of %d places, want %d", got, c.maxQueue, c.want)
		}
	}
	for _, c := range []struct {
		client, all, workers uint32
		want                 bool
	}{{7, 10, 6, true}, {6, 10, 6, false}, {7, 14, 6, false}, {7, 13, 6, true}} {
		if got := IsMostlyOf(c.client, c.all, c.workers); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// A render from a larger stored thumbnail is short for every original.
func TestALaneWithABucket(t *testing.T) {
	for lane, want := range map[string]string{"standard": "standard", "expensive": "standard", "bulk": "bulk"} {
		if got := WithBucket(renderjob.Lane(lane), false); string(got) != want {
			t.Errorf("%s becomes %s, want %s", lane, got, want)
		}
	}
	if got := WithBucket(renderjob.LaneBulk, true); got != renderjob.LaneStandard {
		t.Errorf("a slow render becomes one of %s", got)
	}
}
