package tools

import (
	"fmt"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// drawSequence draws the first picture of an AVIF or HEIC sequence (ISO/IEC 23008-12). The
// sequence has its alpha in a separate track.
func drawSequence(t *task) error {
	p, err := t.probe()
	if err != nil {
		return err
	}
	s, ok := p.film()
	if !ok {
		return fault.New(fault.Undecodable, "the original has no picture")
	}
	if s.Width*s.Height > t.request.MaxPixels {
		return fault.New(fault.TooLarge, "the original has %d × %d pixels, at most %d are allowed", s.Width, s.Height, t.request.MaxPixels)
	}
	if !slices.Contains(matrices, s.Matrix) { // MIAF's default (ISO/IEC 23000-22) is BT.601's, at any size
		s.Matrix = "smpte170m"
	}
	alpha, ok := p.alphaOf(s)
	if !ok || !t.request.Header.Alpha {
		return t.frame(frame{filter: s.filters(), stream: s})
	}
	merge := "alphamerge"
	if t.request.Header.Premultiplied {
		merge += ",unpremultiply=inplace=1"
	}
	filter := fmt.Sprintf("[0:%d]%s,format=gbrp[colours];[0:%d]format=gray[alpha];[colours][alpha]%s,format=rgba", s.Index, s.filters(), alpha.Index, merge)
	s.Pixels = "rgba"
	return t.frame(frame{filter: filter, merged: true, stream: s})
}

// alphaOf returns the stream with the alpha of the stream colours, or false without such a stream.
func (p probe) alphaOf(colours stream) (stream, bool) {
	i := slices.IndexFunc(p.Streams, func(s stream) bool {
		grey := strings.HasPrefix(s.Pixels, "gray") || strings.HasPrefix(s.Pixels, "yuv") // decoders of HEVC report grey as either
		return s.Index != colours.Index && grey && s.Codec == colours.Codec && s.Width == colours.Width && s.Height == colours.Height
	})
	if i < 0 {
		return stream{}, false
	}
	return p.Streams[i], true
}
