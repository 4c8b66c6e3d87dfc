package vips

// #include "vips.h"
import "C"

import (
	"errors"
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/jpeg"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// components is the most planes of a picture.
const components = 3

// planar is a picture as planes of components, in C's memory.
type planar struct{ ptr *C.TmPlanes }

func (p *planar) free() {
	if p != nil {
		C.tm_planes_free(p.ptr)
	}
}

func (p *planar) width() int  { return int(p.ptr.plane[0].width) }
func (p *planar) height() int { return int(p.ptr.plane[0].height) }

var errNoMemory = errors.New("out of memory")

// framing describes how a picture is scaled, turned and cut at once.
type framing struct {
	scaled      geometry.Size // as the original lies
	orientation int           // Exif's
	cut         geometry.Rect // of the scaled picture, upright
}

// turned reports whether rows and columns are exchanged.
func (f framing) turned() bool { return f.orientation >= 5 && f.orientation <= 8 }

// mirrored reports whether the upright picture reads the columns (across) and the rows (down) of the stored
// picture from their end (Exif 2.32, 4.6.4, Orientation).
func (f framing) mirrored() (across, down bool) {
	switch f.orientation {
	case 2:
		return true, false
	case 3:
		return true, true
	case 4:
		return false, true
	case 6:
		return false, true
	case 7:
		return true, true
	case 8:
		return true, false
	}
	return false, false
}

// depth says how planes store a thumbnail's samples.
type depth bool

// Samples are floats while more steps follow, and bytes if libjpeg writes them.
const (
	exact   depth = false
	rounded depth = true
)

// scale returns the upright, cut picture, or errNoMemory. halved gives chroma half the width and height
// of luma.
func (f framing) scale(decoded *jpeg.Planes, halved bool, of depth) (*planar, error) {
	size := geometry.Size{Width: f.cut.Width, Height: f.cut.Height}
	if f.turned() {
		size = geometry.Size{Width: size.Height, Height: size.Width}
	}
	lying, err := newPlanar(len(decoded.Planes), size, halved, of)
	if err != nil {
		return nil, err
	}
	var in [components]C.TmSamples
	var across, down [components]C.TmAxis
	for i, p := range decoded.Planes {
		in[i] = C.TmSamples{width: C.int(p.Width), height: C.int(p.Height), stride: C.int(p.Stride), samples: (*C.uchar)(p.Samples)}
		across[i], down[i] = f.axes(p, decoded, halved && i > 0)
	}
	if C.tm_planes_scale(&in[0], &across[0], &down[0], lying.ptr) != 0 {
		lying.free()
		return nil, errNoMemory
	}
	if !f.turned() {
		return lying, nil
	}
	defer lying.free()
	return lying.transposed(geometry.Size{Width: f.cut.Width, Height: f.cut.Height}, halved, of)
}

// axes returns the positions in a decoded plane from which its result's samples are made; half is for a
// halved plane.
func (f framing) axes(p jpeg.Plane, decoded *jpeg.Planes, half bool) (across, down C.TmAxis) {
	left, top := f.cut.Left, f.cut.Top
	if f.turned() {
		left, top = top, left
	}
	mirroredAcross, mirroredDown := f.mirrored()
	across = axis(p.Across*float64(decoded.Width), f.scaled.Width, left, p.Width, mirroredAcross, half)
	down = axis(p.Down*float64(decoded.Height), f.scaled.Height, top, p.Height, mirroredDown, half)
	return across, down
}

// axis returns the axis from pixel from of a scaled picture. The picture's pixels, or half as many, divide
// length evenly. The plane has samples samples; length may be a fraction of a sample off that number.
func axis(length float64, pixels, from, samples int, mirrored, half bool) C.TmAxis {
	step := length / float64(pixels)
	start := step * float64(from)
	if mirrored {
		start, step = length-start, -step
	}
	if half {
		step *= 2
	}
	return C.TmAxis{start: C.double(start), step: C.double(step), low: 0, high: C.int(samples)}
}

func newPlanar(count int, size geometry.Size, halved bool, of depth) (*planar, error) {
	p := C.tm_planes_new(C.int(count), C.int(size.Width), C.int(size.Height), cBool(halved), cBool(bool(of)))
	if p == nil {
		return nil, errNoMemory
	}
	return &planar{p}, nil
}

func (p *planar) transposed(size geometry.Size, halved bool, of depth) (*planar, error) {
	upright, err := newPlanar(int(p.ptr.count), size, halved, of)
	if err != nil {
		return nil, err
	}
	for i := range int(p.ptr.count) {
		C.tm_plane_transpose(&p.ptr.plane[i], &upright.ptr.plane[i])
	}
	return upright, nil
}

// leastSigma is the smallest sigma that blurs: below it a neighbour weighs less than a millionth.
const leastSigma = 0.2

// unsharp sharpens all planes. Sharpening RGB gives the same, except for clamped values. The samples of a
// halved plane are twice as wide, so its sigma is half.
func (p *planar) unsharp(s *thumbnail.Sharpen) error {
	for i := range int(p.ptr.count) {
		plane := &p.ptr.plane[i]
		sigma := s.Sigma
		if plane.width < p.ptr.plane[0].width {
			sigma /= 2
		}
		if sigma < leastSigma {
			continue
		}
		if C.tm_plane_unsharp(plane, C.double(sigma), C.double(s.Amount)) != 0 {
			return errNoMemory
		}
	}
	return nil
}

// dropNeutral drops both planes of chroma if the picture has no colours.
func (p *planar) dropNeutral() {
	if p.ptr.count == 3 && C.tm_plane_neutral(&p.ptr.plane[1]) != 0 && C.tm_plane_neutral(&p.ptr.plane[2]) != 0 {
		p.ptr.count = 1
	}
}

// join returns a picture of RGB or grey. Chroma must have the size of luma.
func (p *planar) join() (picture, error) {
	bands := int(p.ptr.count)
	pixels := C.malloc(C.size_t(p.width() * p.height() * bands))
	if pixels == nil {
		return picture{}, errNoMemory
	}
	defer C.free(pixels)
	C.tm_planes_join(p.ptr, (*C.uchar)(pixels))
	return step(func(out **C.VipsImage) C.int {
		return C.tm_copied(unsafe.Pointer(pixels), C.int(p.width()), C.int(p.height()), C.int(bands), out)
	})
}
