package pipeline

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// checkCost returns the fault BadURL for a thumbnail that certainly ends at its time limit, and intake.ErrSlow for one
// that certainly takes long and is in a lane for other renders. The edge cannot know this for a size that follows from
// the original's.
func (j *job) checkCost(h guard.Header) error {
	s, foreseeable := sides(j.job.Spec, h)
	if !foreseeable {
		return nil
	}
	frames := framesOf(s, h)
	if frames == 1 {
		if err := j.rates.Refuse(s, time.Duration(j.job.RenderLimitMS)*time.Millisecond); err != nil {
			return err
		}
	}
	if !j.job.Slow && j.job.Lane != renderjob.LaneBulk && time.Duration(frames)*j.rates.Estimate(s, 0) >= lanes.LongCost {
		return intake.ErrSlow
	}
	return nil
}

// framesOf returns how many frames of the original an encoder writes. A program that resizes an animation takes a time
// that this package does not know, and counts as one.
func framesOf(s thumbnail.Spec, h guard.Header) int {
	format := s.Format
	if format == thumbnail.FormatAuto {
		format = append(slices.Clone(s.Prefer), h.Type.DefaultFormat(h.Alpha))[0]
	}
	animation := format.Row().Animation
	if h.Frames <= 1 || h.Area() > s.MaxAnimatedArea || animation == thumbnail.FirstFrame || animation == thumbnail.ByTool {
		return 1
	}
	return h.Frames
}

// refuseCostly fails the siblings that checkCost refuses, and releases those that take long: the others must not wait
// for them.
func (j *job) refuseCostly(ctx context.Context, h guard.Header) {
	for _, s := range j.untried() {
		err := s.checkCost(h)
		switch {
		case err == nil:
		case errors.Is(err, intake.ErrSlow):
			s.leave()
		default:
			s.over = true
			s.end(string(s.fail(ctx, err).Kind))
		}
	}
}

// learnCost corrects the estimates by the processor time of a render.
func (j *job) learnCost(h guard.Header, bytes int64, took time.Duration) {
	if s, foreseeable := sides(j.job.Spec, h); foreseeable && h.Frames <= 1 {
		j.rates.Note(s, bytes, took)
	}
}

// sides returns a spec with the sides of the thumbnail before its operations. foreseeable is false if the header does
// not tell them, or if they do not tell the processor time.
func sides(s thumbnail.Spec, h guard.Header) (_ thumbnail.Spec, foreseeable bool) {
	if h.Width == 0 || h.ByTool || lanes.Unforeseeable(h.Type) || s.Trim != nil || s.Described() || s.Debug {
		return s, false
	}
	size := geometry.New(s, geometry.Size{Width: h.Width, Height: h.Height}.Turned(h.Orientation)).Size()
	s.Width, s.Height, s.Enlarge = size.Width, size.Height, true
	return s, true
}
