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

// worstQuality is the lowest quality that max_bytes leads to, as for still thumbnails.
const worstQuality = 10

// pack lets a tool pack the frames into a thumbnail. With max_bytes it lowers the quality until the file is small enough; if no
// file is, it keeps the last. It closes frames.
func (e *Engines) pack(r *render, s thumbnail.Spec, format thumbnail.Format, frames *os.File) (*os.File, error) {
	defer func() { _ = frames.Close() }()
	s.Format = format
	out, err := e.packOnce(r, s, frames)
	quality := s.QualityOf(format) * 3 / 4
	for ; err == nil && s.MaxBytes > 0 && quality >= worstQuality && !atMost(out, s.MaxBytes); quality = quality * 3 / 4 {
		_ = out.Close()
		s.Quality, s.Qualities = quality, nil
		out, err = e.packOnce(r, s, frames)
	}
	return out, err
}

func (e *Engines) packOnce(r *render, s thumbnail.Spec, frames *os.File) (*os.File, error) {
	_, out, err := r.doTask(e.config.Tools, worker.Task{Work: tools.Pack, Spec: s, MaxPixels: r.maxPixels}, frames, noLimit)
	return out, err
}

// atMost reports whether a file has at most that many bytes.
func atMost(file *os.File, bytes int) bool {
	info, err := file.Stat()
	return err == nil && info.Size() <= int64(bytes)
}
