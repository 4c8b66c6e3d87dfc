package engine

import (
	"os"
	"slices"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// packable adapts the spec of an animation to the formats that this machine can write. Without the program that packs
// the frames, a requested format shows only the first frame, and a preferred format is dropped.
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

// pack lets a tool pack the frames into a thumbnail. It closes frames.
func (e *Engines) pack(r *render, s thumbnail.Spec, format thumbnail.Format, frames *os.File) (*os.File, error) {
	defer func() { _ = frames.Close() }()
	s.Format = format
	_, out, err := r.doTask(e.config.Tools, worker.Task{Work: tools.Pack, Spec: s, MaxPixels: r.maxPixels}, frames, noLimit)
	return out, err
}
