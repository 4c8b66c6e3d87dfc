package vips

// #include "vips.h"
import "C"

import (
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Scales, in eighths, for decoding a JPEG to planes. Between finest and entire, libjpeg transforms blocks without the
// processor's vector instructions, which takes longer than to decode whole blocks.
const (
	finest = 4
	entire = 8
)

// mostEntire is the most pixels of a JPEG that is decoded entirely to planes. A worker holds all planes at once: a byte
// and a half for each pixel with halved chroma. libvips decodes larger ones in strips.
const mostEntire = 16_000_000

// loadPlanes draws a reduction of a JPEG from its planes. It returns false if planes do not suit this
// render; libvips draws it then. A straight thumbnail stays planes; any other becomes a picture of libvips
// at the thumbnail's size.
func (r *render) loadPlanes(stored, scaled geometry.Size, orientation int) (done bool, err error) {
	luma := eighths(r.spec, stored, scaled)
	if r.header.Type != thumbnail.TypeJPEG || r.header.Indexed || luma > entire || r.decoding == nil { // an indexed JPEG is a drawn page, and its edges would show
		return false, nil
	}
	straight := r.straight()
	needed := need{luma: luma, chroma: luma, sizes: [2]geometry.Size{scaled, {Width: (scaled.Width + 1) / 2, Height: (scaled.Height + 1) / 2}}}
	if !straight {
		needed.chroma, needed.sizes[1] = max(luma, min(2*luma, finest)), scaled
	}
	decoded, err := r.decoding.at(r.fd, needed)
	if err != nil || decoded.Warned || decoded.Width != stored.Width || decoded.Height != stored.Height {
		return false, nil //nolint:nilerr // libvips reports the error
	}
	r.scaled = r.planned.Scaled != r.source
	f := framing{scaled: scaled, orientation: orientation, cut: r.cutOf(scaled.Turned(orientation))}
	of := exact
	if straight && !r.unsharpens() && r.worth() <= 0 {
		of = rounded
	}
	if r.planes, err = f.scale(decoded, straight && len(decoded.Planes) == components, of); err != nil {
		return false, err
	}
	return true, r.settlePlanes(straight)
}

// eighths returns the smallest scale, in eighths, whose decoded picture is large enough for scaled: 1 to finest, or
// entire. It returns more than entire if planes cannot be large enough, or would take too much memory.
func eighths(s thumbnail.Spec, stored, scaled geometry.Size) int {
	slack, least := 1.0, 1.0
	if s.Sharpen != nil {
		slack, least = sharpenedSlack, finestSlack
	}
	covers := func(n int, slack float64) bool {
		return float64(stored.Width*n) >= float64(8*scaled.Width)*slack && float64(stored.Height*n) >= float64(8*scaled.Height)*slack
	}
	for n := 1; n < finest; n++ {
		if covers(n, slack) {
			return n
		}
	}
	if covers(finest, least) {
		return finest
	}
	smaller := scaled.Width < stored.Width && scaled.Height < stored.Height
	if smaller && covers(8, least) && stored.Width*stored.Height <= mostEntire {
		return entire
	}
	return entire + 1
}

// straight reports whether the thumbnail is written from planes: it is a JPEG with halved chroma, its colours
// are not converted, and no step reads its pixels.
func (r *render) straight() bool {
	s := r.spec
	if s.FlipX || s.FlipY || s.Smart || s.Debug || len(s.Operations) > 0 || s.Chroma == "4:4:4" || r.unsharpens() && s.Sharpen.Threshold > 0 {
		return false
	}
	size := r.planned.Size()
	if s.Format != thumbnail.FormatJPEG && (s.Format != thumbnail.FormatAuto || r.preferred(false, false, size) != thumbnail.FormatJPEG) {
		return false
	}
	return r.keepsColours(size.Width * size.Height)
}

// keepsColours reports whether a thumbnail of area pixels keeps the original's colours unconverted.
func (r *render) keepsColours(area int) bool {
	profile := r.current.blob(iccName)
	read := colour.ReadProfile(profile)
	return r.header.Colour.Plain() && (len(profile) == 0 || read.Model == "RGB " && (read.Plain() || r.keeps(read, len(profile), area)))
}

// unsharpens reports whether the thumbnail is sharpened.
func (r *render) unsharpens() bool {
	return geometry.SharpenApplies(r.spec.Sharpen, r.source, r.planned.Size())
}

// cutOf returns the part of the upright scaled picture that is drawn: the planned cut, or the whole picture
// before a smart cut.
func (r *render) cutOf(upright geometry.Size) geometry.Rect {
	if r.cutsSmartly() {
		return geometry.Rect{Width: upright.Width, Height: upright.Height}
	}
	return r.planned.Cut
}

// settlePlanes sharpens the planes, and converts them to a picture unless they are straight.
func (r *render) settlePlanes(straight bool) error {
	keeps := straight || r.keepsColours(r.planned.Size().Width*r.planned.Size().Height)
	if r.unsharpens() && keeps && r.spec.Sharpen.Threshold <= 0 {
		if err := r.planes.unsharp(r.spec.Sharpen); err != nil {
			return err
		}
		r.sharpened = true
	}
	if straight {
		r.planes.dropNeutral()
		return nil
	}
	joined, err := r.planes.join()
	if err != nil {
		return err
	}
	profile := r.current.blob(iccName)
	r.keep(joined)
	C.tm_set_profile(joined.ptr, unsafe.Pointer(unsafe.SliceData(profile)), C.size_t(len(profile)))
	r.planes.free()
	r.planes = nil
	if err := r.settleColours(); err != nil {
		return err
	}
	if r.cutsSmartly() {
		return r.cut(r.planned)
	}
	return nil
}
