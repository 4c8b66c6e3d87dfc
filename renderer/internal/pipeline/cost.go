package pipeline

import (
	"context"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// checkCost returns the fault BadURL for a thumbnail that certainly ends at its time limit. The edge cannot know this
// for a size that follows from the original's.
func (j *job) checkCost(h guard.Header) error {
	s, foreseeable := sides(j.job.Spec, h)
	if !foreseeable {
		return nil
	}
	return j.rates.Refuse(s, time.Duration(j.job.RenderLimitMS)*time.Millisecond)
}

// isLong reports whether the thumbnail certainly takes long, and the job is in a lane for other renders. The edge knows
// this only for a size that does not follow from the original's.
func (j *job) isLong(h guard.Header) bool {
	if j.job.Slow || j.job.Lane == renderjob.LaneBulk {
		return false
	}
	s, foreseeable := sides(j.job.Spec, h)
	return foreseeable && j.rates.Estimate(s, 0) >= lanes.LongCost
}

// refuseCostly fails the siblings that checkCost refuses: the others must not wait for their limits.
func (j *job) refuseCostly(ctx context.Context, h guard.Header) {
	for _, s := range j.untried() {
		if err := s.checkCost(h); err != nil {
			s.over = true
			s.end(string(s.fail(ctx, err).Kind))
		}
	}
}

// learnCost corrects the estimates by the processor time of a render.
func (j *job) learnCost(h guard.Header, bytes int64, took time.Duration) {
	if s, foreseeable := sides(j.job.Spec, h); foreseeable {
		j.rates.Note(s, bytes, took)
	}
}

// sides returns a spec with the sides of the thumbnail before its operations. foreseeable is false if the header does
// not tell them, or if they do not tell the processor time.
func sides(s thumbnail.Spec, h guard.Header) (_ thumbnail.Spec, foreseeable bool) {
	if h.Width == 0 || h.ByTool || h.Frames > 1 || lanes.Unforeseeable(h.Type) || s.Trim != nil || s.Meta || s.Debug {
		return s, false
	}
	size := geometry.New(s, geometry.Size{Width: h.Width, Height: h.Height}.Turned(h.Orientation)).Size()
	s.Width, s.Height, s.Enlarge = size.Width, size.Height, true
	return s, true
}
