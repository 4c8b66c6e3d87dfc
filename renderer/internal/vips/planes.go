package vips

// #include "vips.h"
import "C"

import (
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/jpeg"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Scales, in eighths, for decoding a JPEG to planes. Between finest and entire, libjpeg transforms blocks without the
// processor's vector instructions, which takes longer than to decode whole blocks.
const (
	sharpenedLeast = 2 // of a sharpened JPEG that is much larger than its thumbnail
	finest         = 4
	entire         = 8
)

// mostEntire is the most pixels of a JPEG that is decoded entirely to planes. A worker holds all planes at once: a byte
// and a half for each pixel with halved chroma. libvips decodes larger ones in strips.
const mostEntire = 16_000_000

// loadPlanes draws a reduction of a JPEG, or of a lossy WebP, from its planes. It returns false if planes do not suit this
// render; libvips draws it then. A straight thumbnail stays planes; any other becomes a picture of libvips
// at the thumbnail's size.
func (r *render) loadPlanes(stored, scaled geometry.Size, orientation int) (done bool, err error) {
	if r.header.Indexed || r.decoding == nil { // an indexed JPEG is a drawn page, and its edges would show
		return false, nil
	}
	target, straight := r.straight()
	decoded := r.decodedPlanes(stored, scaled, straight)
	if decoded == nil {
		return false, nil
	}
	r.scaled = r.planned.Scaled != r.source
	f := framing{scaled: scaled, orientation: orientation, cut: r.cutOf(scaled.Turned(orientation))}
	of := exact
	if straight && !r.unsharpens() && r.rangeOfOriginal() == rangeOf(target) && (target != thumbnail.FormatJPEG || r.worth() <= 0) {
		of = rounded
	}
	if r.planes, err = f.scale(decoded, straight && len(decoded.Planes) == components, of); err != nil {
		return false, err
	}
	r.target = target
	return true, r.settlePlanes(straight)
}

// decodedPlanes returns planes that suffice for the thumbnail, or nil.
func (r *render) decodedPlanes(stored, scaled geometry.Size, straight bool) *jpeg.Planes {
	needed := need{sizes: [2]geometry.Size{scaled, scaled}}
	if straight {
		needed.sizes[1] = geometry.Size{Width: (scaled.Width + 1) / 2, Height: (scaled.Height + 1) / 2}
	}
	var decoded *jpeg.Planes
	var err error
	switch r.header.Type {
	case thumbnail.TypeJPEG:
		needed.luma = eighths(r.spec, stored, scaled)
		switch needed.chroma = needed.luma; {
		case !straight:
			needed.chroma = max(needed.luma, min(2*needed.luma, finest))
		case needed.luma == sharpenedLeast: // chroma's blocks do not show
			needed.chroma = coarsest(stored, scaled, 1)
		}
		if needed.luma <= entire {
			decoded, err = r.decoding.at(r.fd, needed)
		}
	case thumbnail.TypeWebP:
		if needed.shrink = r.shrink(stored, scaled); needed.shrink > 1 && r.spec.Sharpen == nil {
			decoded, err = r.decoding.webP(r.fd, stored, needed)
		}
	}
	if err != nil || decoded == nil || decoded.Warned || decoded.Width != stored.Width || decoded.Height != stored.Height {
		return nil // libvips reports the error
	}
	return decoded
}

// covers reports whether n eighths of the stored picture are slack times as large as scaled.
func covers(stored, scaled geometry.Size, n int, slack float64) bool {
	return float64(stored.Width*n) >= float64(8*scaled.Width)*slack && float64(stored.Height*n) >= float64(8*scaled.Height)*slack
}

// coarsest returns the smallest scale, in eighths, that is slack times as large as scaled, and at most finest.
func coarsest(stored, scaled geometry.Size, slack float64) int {
	n := 1
	for n < finest && !covers(stored, scaled, n, slack) {
		n++
	}
	return n
}

// eighths returns the smallest scale, in eighths, whose decoded picture is large enough for scaled: 1 to finest, or
// entire. It returns more than entire if planes cannot be large enough, or would take too much memory.
func eighths(s thumbnail.Spec, stored, scaled geometry.Size) int {
	slack, least := 1.0, 1.0
	if s.Sharpen != nil {
		slack, least = sharpenedSlack, finestSlack
	}
	if n := coarsest(stored, scaled, slack); n < finest || covers(stored, scaled, n, least) {
		return n
	}
	smaller := scaled.Width < stored.Width && scaled.Height < stored.Height
	if smaller && covers(stored, scaled, 8, least) && stored.Width*stored.Height <= mostEntire {
		return entire
	}
	return entire + 1
}

// straight returns the format of a thumbnail that is written from planes. It returns false for others: the
// thumbnail is a JPEG or a WebP with halved chroma, its colours are not converted, and no step reads its pixels.
func (r *render) straight() (thumbnail.Format, bool) {
	s := r.spec
	if s.FlipX || s.FlipY || s.Smart || s.Debug || len(s.Operations) > 0 || s.Chroma == "4:4:4" || r.unsharpens() && s.Sharpen.Threshold > 0 {
		return "", false
	}
	size, format := r.planned.Size(), s.Format
	if format == thumbnail.FormatAuto {
		format = r.preferred(false, false, size)
	}
	if !r.keepsColours(size.Width * size.Height) {
		return "", false
	}
	if format == thumbnail.FormatJPEG || format == thumbnail.FormatWebP && r.straightWebP(size) {
		return format, true
	}
	return "", false
}

// straightWebP reports whether a WebP of a size is written from planes: lossless ones are not, nor those with a profile.
func (r *render) straightWebP(size geometry.Size) bool {
	bare := len(r.written(r.current.blob(iccName))) == 0
	return bare && r.spec.QualityOf(thumbnail.FormatWebP) < 100 && r.origin() == r.header.Type && max(size.Width, size.Height) <= thumbnail.FormatWebP.Row().LongestSide
}

// sampleRange says which samples are black and white.
type sampleRange bool

// limited samples are WebP's: 16 to 235 for luma, and 16 to 240 for chroma. Others are JFIF's, 0 to 255.
const limited sampleRange = true

func rangeOf(f thumbnail.Format) sampleRange { return f == thumbnail.FormatWebP }

func (r *render) rangeOfOriginal() sampleRange { return r.header.Type == thumbnail.TypeWebP }

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
	if of := rangeOf(r.target); r.rangeOfOriginal() != of {
		C.tm_planes_range(r.planes.ptr, cBool(of == limited))
	}
	if straight {
		if r.target == thumbnail.FormatJPEG {
			r.planes.dropNeutral()
		}
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
