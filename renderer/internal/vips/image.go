package vips

// #cgo pkg-config: vips libjpeg
// #cgo LDFLAGS: -lm
// #cgo CFLAGS: -O3
// #include "vips.h"
import "C"

import "unsafe"

// picture is the result of one step in a libvips pipeline. libvips computes the pixels in strips when
// the picture is saved. Memory therefore grows with the width and not with the area.
type picture struct{ ptr *C.VipsImage }

func (i picture) free() {
	if i.ptr != nil {
		C.g_object_unref(C.gpointer(i.ptr))
	}
}

func (i picture) width() int     { return int(i.ptr.Xsize) }
func (i picture) height() int    { return int(i.ptr.Ysize) }
func (i picture) hasAlpha() bool { return C.vips_image_hasalpha(i.ptr) != 0 }

// orientation returns EXIF's orientation: 1 is upright, 5 to 8 exchange width and height.
func (i picture) orientation() int { return int(C.tm_orientation(i.ptr)) }

// blob returns a copy of the metadata of that name, or nil.
func (i picture) blob(name string) []byte {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	var length C.size_t
	data := C.tm_blob(i.ptr, text, &length)
	if data == nil {
		return nil
	}
	return C.GoBytes(data, C.int(length))
}

// step returns the image that call writes to out, or vipsError.
func step(call func(out **C.VipsImage) C.int) (picture, error) {
	var out *C.VipsImage
	if call(&out) != 0 {
		return picture{}, vipsError()
	}
	return picture{out}, nil
}

func open(fd int, options string, random bool) (picture, error) {
	text := C.CString(options)
	defer C.free(unsafe.Pointer(text))
	return step(func(out **C.VipsImage) C.int { return C.tm_open(C.int(fd), text, cBool(random), out) })
}

func cBool(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// number returns the number in the metadata of that name, or 0.
func (i picture) number(name string) int {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	return int(C.tm_number(i.ptr, text))
}

// pagesOf returns the number of pictures that lie under each other, at least 1.
func pagesOf(i picture) int { return max(1, int(C.vips_image_get_n_pages(i.ptr))) }
