package vips

// #cgo pkg-config: vips
// #cgo CFLAGS: -O2
// #include "vips.h"
import "C"

import (
	"errors"
	"strings"
	"unsafe"
)

// image is one step's result in a libvips pipeline. Pixels are computed when it
// is saved, in strips, so that memory follows the width and not the area.
type image struct{ ptr *C.VipsImage }

func (i image) free() {
	if i.ptr != nil {
		C.g_object_unref(C.gpointer(i.ptr))
	}
}

func (i image) width() int     { return int(i.ptr.Xsize) }
func (i image) height() int    { return int(i.ptr.Ysize) }
func (i image) hasAlpha() bool { return C.vips_image_hasalpha(i.ptr) != 0 }

// orientation is EXIF's: 1 is upright, 5 to 8 exchange width and height.
func (i image) orientation() int { return int(C.tm_orientation(i.ptr)) }

// vipsError takes libvips' reasons, one a line.
func vipsError() error {
	text := strings.TrimSpace(C.GoString(C.vips_error_buffer()))
	C.vips_error_clear()
	return errors.New("libvips: " + strings.ReplaceAll(text, "\n", "; "))
}

// step makes an image by a call that writes it to out.
func step(call func(out **C.VipsImage) C.int) (image, error) {
	var out *C.VipsImage
	if call(&out) != 0 {
		return image{}, vipsError()
	}
	return image{out}, nil
}

func open(fd int, options string, random bool) (image, error) {
	text := C.CString(options)
	defer C.free(unsafe.Pointer(text))
	return step(func(out **C.VipsImage) C.int { return C.tm_open(C.int(fd), text, cBool(random), out) })
}

func loadThumbnail(fd int, options string, width, height int) (image, error) {
	text := C.CString(options)
	defer C.free(unsafe.Pointer(text))
	return step(func(out **C.VipsImage) C.int {
		return C.tm_thumbnail(C.int(fd), text, C.int(width), C.int(height), out)
	})
}

func cBool(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
