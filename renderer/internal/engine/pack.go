package engine

import (
	"os"
	"slices"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// packable leaves an animation a format that this machine can write: without the program
// that packs its frames, a format that was asked for shows the first, and one that is
// preferred gives way.
func (e *Engines) packable(s thumbnail.Spec, h guard.Header) thumbnail.Spec {
	if h.Frames <= 1 {
		return s
	}
	if e.lacksPacker(s.Format) {
		s.MaxAnimatedArea = 0
	}
	s.Prefer = slices.DeleteFunc(slices.Clone(s.Prefer), e.lacksPacker)
	return s
}

func (e *Engines) lacksPacker(f thumbnail.Format) bool {
	return f.Row().Animation == thumbnail.Packed && !slices.Contains(e.config.Tools.Ready().Types, tools.Name(tools.Pack, string(f)))
}

// pack has a tool make the thumbnail of the frames, which it closes.
func (e *Engines) pack(r *render, s thumbnail.Spec, format thumbnail.Format, frames *os.File) (*os.File, error) {
	defer func() { _ = frames.Close() }()
	s.Format = format
	_, out, err := r.doTask(e.config.Tools, worker.Task{Work: tools.Pack, Spec: s, MaxPixels: r.maxPixels}, frames, noLimit)
	return out, err
}
