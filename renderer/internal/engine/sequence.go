package engine

import (
	"slices"

	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// sequence lets libvips read the still picture beside a sequence. Without such a picture, or when libvips cannot
// decode it, ffmpeg draws the first picture of the track.
func (e *Engines) sequence(r *render) error {
	name := string(r.header.Type)
	tracks := slices.Contains(e.config.Tools.Ready().Types, tools.Name(tools.Draw, name))
	switch {
	case !r.header.Sequence && slices.Contains(e.config.Vips.Ready().Types, name):
		err := e.directly(r)
		if r.header.Frames <= 1 || !tracks || !fault.Is(err, fault.Undecodable) {
			return err
		}
	case !tracks:
		return fault.New(fault.Unsupported, "this renderer cannot draw sequences of type %s: install ffmpeg", name)
	}
	r.result.Engine = "ffmpeg"
	return e.drawn(r)
}
