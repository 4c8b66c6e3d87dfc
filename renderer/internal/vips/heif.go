package vips

// #cgo pkg-config: libheif
// #include "heif.h"
// #include "planes.h"
// #include "vips.h"
import "C"

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// hasPlainPlanes reports whether the original is an AVIF whose planes libheif gives with the same samples as its pixels.
func (r *render) hasPlainPlanes() bool {
	h := r.header
	return h.Type == thumbnail.TypeAVIF && h.Pages <= 1 && h.Frames <= 1 && !h.Sequence && !h.Deep && !h.Alpha && C.tm_heif_has_planes() != 0
}

// reduceAVIF returns a reduction of an AVIF by planes of red, green and blue. It returns no picture for other files and for
// files with any error.
func (r *render) reduceAVIF(from, to geometry.Size) (picture, error) {
	file, err := mapWhole(r.fd, unix.PROT_READ)
	if err != nil {
		return picture{}, nil //nolint:nilerr // libvips reports the error
	}
	defer func() { _ = unix.Munmap(file) }()
	var in [components]C.TmSamples
	decoded := C.tm_heif_decode(unsafe.Pointer(&file[0]), C.size_t(len(file)), C.int(from.Width), C.int(from.Height), &in[0])
	if decoded == nil {
		return picture{}, nil
	}
	defer C.tm_heif_free(decoded)
	return joined(in, from, to)
}

// joined scales planes of red, green and blue to a picture of sRGB.
func joined(in [components]C.TmSamples, from, to geometry.Size) (picture, error) {
	reduced, err := newPlanar(components, to, false, rounded)
	if err != nil {
		return picture{}, err
	}
	defer reduced.free()
	var across, down [components]C.TmAxis
	for i := range components {
		across[i] = axis(float64(from.Width), to.Width, 0, from.Width, false, false)
		down[i] = axis(float64(from.Height), to.Height, 0, from.Height, false, false)
	}
	pixels, err := newScratch(to.Width * to.Height * components)
	if err != nil {
		return picture{}, err
	}
	defer pixels.free()
	if C.tm_planes_scale(&in[0], &across[0], &down[0], reduced.ptr) != 0 {
		return picture{}, errNoMemory
	}
	C.tm_planes_interleave(reduced.ptr, (*C.uchar)(&pixels[0]))
	return step(func(out **C.VipsImage) C.int {
		return C.tm_copied(unsafe.Pointer(&pixels[0]), C.int(to.Width), C.int(to.Height), components, out)
	})
}
