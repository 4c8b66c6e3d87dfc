package vips

// #include "vips.h"
import "C"

import (
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
	"github.com/thumbmill/thumbmill/renderer/internal/filter"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// A thumbnail has the colours of sRGB, or keeps a small profile of more colours than sRGB, such as
// Display P3, if its format carries profiles. All other colours are converted to sRGB once the picture
// is small.
const (
	// maxProfile is the most bytes of a profile that a thumbnail keeps.
	maxProfile = 4096
	// pixelsPerByte is the fewest pixels of a thumbnail for each byte of the profile that it keeps: a
	// profile must be smaller than its picture.
	pixelsPerByte = 8
)

// settleColours converts the current picture to sRGB unless the thumbnail keeps its profile.
func (r *render) settleColours() error {
	space := r.header.Colour
	switch {
	case space.HDR():
		return r.toneMap(space)
	case !space.Plain() && r.current.ptr.Bands < 3:
		return r.greyCurve(space.GreyTable) // grey has no primaries
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
		return r.giveProfile(nil) // the profile is for other pixels
	case grey && read.Plain():
		return r.giveProfile(nil)
	case grey:
		return r.greyCurve(read.GreyTable)
	case read.Plain() || r.keeps(read, len(profile), r.area()):
		return nil
	}
	tables := cBool(!read.Matrix())
	err := r.then(func(in *C.VipsImage, out **C.VipsImage) C.int { return C.tm_to_srgb(in, tables, out) })
	if err != nil {
		return r.giveProfile(nil) // no colour engine can read the profile, so it is dropped
	}
	return nil
}

// keeps reports whether a thumbnail of area pixels keeps the profile of size bytes.
func (r *render) keeps(p colour.Profile, size, area int) bool {
	carried := r.spec.Format == thumbnail.FormatAuto || r.spec.Format.Row().Profiles
	return p.Wide() && carried && !r.spec.StripICC && size <= min(maxProfile, area/pixelsPerByte)
}

// greyCurve converts grey to the grey of sRGB and drops the profile. Some formats make three bands of
// grey; a grey profile means nothing there. tableOf returns the grey of sRGB, 0 to 1, of each of n values.
func (r *render) greyCurve(tableOf func(n int) []float64) error {
	length := 256
	if r.current.ptr.BandFmt == C.VIPS_FORMAT_USHORT {
		length = 65536
	}
	table := tableOf(length)
	return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int {
		return C.tm_grey_curve(in, (*C.double)(unsafe.Pointer(unsafe.SliceData(table))), C.int(length), out)
	})
}

func (r *render) giveProfile(profile []byte) error {
	return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int {
		return C.tm_profiled(in, unsafe.Pointer(unsafe.SliceData(profile)), C.size_t(len(profile)), out)
	})
}

// toneMap converts colours brighter than white to sRGB.
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

// finishColours reduces a finished picture without colours to one band, and replaces a long profile of
// sRGB by a tiny one.
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
		if err := r.greyCurve(read.GreyTable); err != nil {
			return err
		}
		return r.compute() // encoders read the pixels
	}
	profile = r.written(profile)
	C.tm_set_profile(r.current.ptr, unsafe.Pointer(unsafe.SliceData(profile)), C.size_t(len(profile)))
	return nil
}

// written returns the profile that the thumbnail gets if its pixels have the given one: a tiny profile
// for sRGB, nil with strip_icc.
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
