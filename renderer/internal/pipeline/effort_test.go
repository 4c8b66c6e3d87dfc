package pipeline

import (
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

func TestEffort(t *testing.T) {
	for name, c := range map[string]struct {
		job    renderjob.Job
		behind uint64
		want   worker.Effort
	}{
		"for a client":                      {renderjob.Job{Lane: renderjob.LaneStandard}, 15, worker.Usual},
		"for a client, in a long line":      {renderjob.Job{Lane: renderjob.LaneStandard}, 16, worker.Hasty},
		"in advance":                        {renderjob.Job{Lane: renderjob.LaneBulk}, 1000, worker.Patient},
		"slow, for a client":                {renderjob.Job{Lane: renderjob.LaneBulk, Slow: true}, 0, worker.Usual},
		"slow, for a client in a long line": {renderjob.Job{Lane: renderjob.LaneBulk, Slow: true}, 1000, worker.Hasty},
	} {
		j := &job{job: c.job, delivery: intake.Delivery{Behind: c.behind}, slots: newSlots(2)}
		if got := j.effort(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
