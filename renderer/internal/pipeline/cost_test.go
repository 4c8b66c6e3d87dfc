package pipeline

import (
	"errors"
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/shared/cost"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// An animation is estimated by its frames, unless its thumbnail is a still picture.
func TestFramesAreEstimated(t *testing.T) {
	spec := thumbnail.Spec{Type: thumbnail.TypeWebP, Width: 400, Format: thumbnail.FormatWebP, Quality: 80, MaxAnimatedArea: 1e8}
	still, bounded := spec, spec
	still.Format, bounded.MaxAnimatedArea = thumbnail.FormatJPEG, 1e6
	for name, c := range map[string]struct {
		spec   thumbnail.Spec
		frames int
		lane   renderjob.Lane
		slow   bool
	}{
		"one":                       {spec, 1, renderjob.LaneStandard, false},
		"few":                       {spec, 10, renderjob.LaneStandard, false},
		"many":                      {spec, 100, renderjob.LaneStandard, true},
		"many, of the bulk lane":    {spec, 100, renderjob.LaneBulk, false},
		"many, as a still picture":  {still, 100, renderjob.LaneStandard, false},
		"many, of too many pixels":  {bounded, 100, renderjob.LaneStandard, false},
		"many, by the usual format": {func() thumbnail.Spec { s := spec; s.Format = thumbnail.FormatAuto; return s }(), 100, renderjob.LaneStandard, true},
		"many, by a preferred format": {func() thumbnail.Spec {
			s := still
			s.Format, s.Prefer = "", []thumbnail.Format{thumbnail.FormatWebP}
			return s
		}(), 100, renderjob.LaneStandard, true},
	} {
		j := &job{job: renderjob.Job{Spec: c.spec, Lane: c.lane, RenderLimitMS: 20_000}, rates: &cost.Rates{}}
		err := j.checkCost(guard.Header{Type: thumbnail.TypeWebP, Width: 800, Height: 600, Frames: c.frames, Orientation: 1})
		if errors.Is(err, intake.ErrSlow) != c.slow || err != nil && !c.slow {
			t.Errorf("%s: %v", name, err)
		}
	}
}
