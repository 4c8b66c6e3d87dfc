package vips

// #include "vips.h"
import "C"

import (
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
	"github.com/thumbmill/thumbmill/renderer/internal/filter"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// A thumbnail's colours are sRGB, or those of a small profile that goes with it: one of more
// colours than sRGB's, such as Display P3, in a format that carries profiles. All else is converted once the
// picture is small.
const (
	// maxProfile is the most bytes that a profile may take which a thumbnail keeps.
	maxProfile = 4096
	// pixelsPerByte of a profile are the fewest that a thumbnail has which keeps it: a
	// profile is smaller than its picture.
	pixelsPerByte = 8
)

// settleColours makes the current picture sRGB unless its profile is kept.
func (r *render) settleColours() error {
	space := r.header.Colour
	switch {
	case space.HDR():
		return r.toneMap(space)
	case !space.Plain():
		if err := r.giveProfile(space.Profile()); err != nil {
			return err
		}
	}
	profile := r.current.blob(iccName)
	if len(profile) == 0 {
		return nil
	}
	return r.settleProfile(profile)
}

const iccName = "icc-profile-data"

func (r *render) settleProfile(profile []byte) error {
	read := colour.ReadProfile(profile)
	grey := r.current.ptr.Bands < 3
	switch {
	case grey != (read.Model == "GRAY") || !grey && read.Model != "RGB ":
		return r.giveProfile(nil) // of other pixels than these
	case grey:
		return r.greyCurve(read)
	case read.Plain() || r.keeps(read, len(profile), r.area()):
		return nil
	}
	err := r.then(func(in *C.VipsImage, out **C.VipsImage) C.int { return C.tm_to_srgb(in, out) })
	if err != nil {
		return r.giveProfile(nil) // one that no colour engine can read says nothing
	}
	return nil
}

// keeps reports whether a thumbnail of so many pixels carries the profile, which has size bytes.
func (r *render) keeps(p colour.Profile, size, area int) bool {
	carried := r.spec.Format == thumbnail.FormatAuto || r.spec.Format.Row().Profiles
	return p.Wide() && carried && !r.spec.StripICC && size <= min(maxProfile, area/pixelsPerByte)
}

// greyCurve makes grey that of sRGB, so that no profile has to say what it is: on pixels
// of three bands, which some formats make of grey, it would mean nothing.
func (r *render) greyCurve(p colour.Profile) error {
	if p.Plain() {
		return r.giveProfile(nil)
	}
	length := 256
	if r.current.ptr.BandFmt == C.VIPS_FORMAT_USHORT {
		length = 65536
	}
	table := p.GreyTable(length)
	return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int {
		return C.tm_grey_curve(in, (*C.double)(unsafe.Pointer(unsafe.SliceData(table))), C.int(length), out)
	})
}

func (r *render) giveProfile(profile []byte) error {
	return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int {
		return C.tm_profiled(in, unsafe.Pointer(unsafe.SliceData(profile)), C.size_t(len(profile)), out)
	})
}

// toneMap makes sRGB of what means more light than white.
func (r *render) toneMap(space colour.Space) error {
	deep, err := step(func(out **C.VipsImage) C.int { return C.tm_deep(r.current.ptr, out) })
	if err != nil {
		return err
	}
	defer deep.free()
	bands := int(deep.ptr.Bands)
	samples := unsafe.Slice((*uint16)(C.tm_pixels(deep.ptr)), deep.width()*deep.height()*bands)
	mapped, err := imageOf(&filter.Picture{Width: deep.width(), Height: deep.height(), Bands: bands, Pix: space.ToneMap(samples, bands)})
	if err != nil {
		return err
	}
	r.keep(mapped)
	return nil
}

// finishColours leaves a finished picture one band when it has no colours, and a tiny
// profile in place of one that says sRGB at length.
func (r *render) finishColours() error {
	profile := r.current.blob(iccName)
	read := colour.ReadProfile(profile)
	if !r.isFrame && r.current.ptr.Bands >= 3 && C.tm_is_grey(r.current.ptr) != 0 {
		if err := r.then(func(in *C.VipsImage, out **C.VipsImage) C.int { return C.tm_grey(in, out) }); err != nil {
			return err
		}
		if !read.Matrix() || read.Plain() {
			return nil
		}
		return r.greyCurve(read)
	}
	profile = r.written(profile)
	C.tm_set_profile(r.current.ptr, unsafe.Pointer(unsafe.SliceData(profile)), C.size_t(len(profile)))
	return nil
}

// written is the profile that goes into the thumbnail for one that its pixels have: of sRGB
// a tiny one.
func (r *render) written(profile []byte) []byte {
	read := colour.ReadProfile(profile)
	switch {
	case r.spec.StripICC || read.Model == "":
		return nil
	case read.Plain():
		return colour.Space{}.Profile()
	}
	return profile
}
