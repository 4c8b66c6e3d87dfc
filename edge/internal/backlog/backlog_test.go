package backlog

import (
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

func TestStalls(t *testing.T) {
	standard := func(depth, age int64) []lease.Lane {
		return []lease.Lane{{Name: "expensive", Depth: 1, AgeMS: 9000}, {Name: "standard", Depth: depth, AgeMS: age}}
	}
	for _, c := range []struct {
		name string
		w    *Watcher
		want bool
	}{
		{"before the first look", &Watcher{seen: []lease.Lane{}}, false},
		{"the queue did not answer", &Watcher{}, true},
		{"all jobs are young", &Watcher{seen: standard(6, 900)}, false},
		{"an old job waits", &Watcher{seen: standard(3, 5000)}, true},
		{"only another lane has an old job", &Watcher{seen: standard(0, 0)}, false},
	} {
		if got := c.w.Stalls(renderjob.LaneStandard, time.Second); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
