// Package jpeg decodes a JPEG into the planes of its components, each at its own resolution. It scales
// in the inverse transform, and decodes only the coefficients that the scale needs. Only workers call
// this package, because the files are hostile.
package jpeg

// #cgo pkg-config: libjpeg
// #cgo CFLAGS: -O2
// #include "planes.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// ErrOther says that this package leaves the file to other decoders: a JPEG of other colours than YCbCr
// and grey, of 12 bits, with arithmetic or lossless coding or with rare subsampling, or no JPEG.
var ErrOther = errors.New("the file is not a JPEG of luma and chroma in 8 bits")

// Planes are a decoded JPEG.
type Planes struct {
	Width, Height int     // the picture's stored size in pixels
	Planes        []Plane // one plane of grey, or Y, Cb and Cr as in JFIF
	Warned        bool    // the file is damaged or truncated, and libjpeg filled the missing samples

	c C.jpeg_planes
}

// Plane is a component of 8 bits per sample, in C memory.
type Plane struct {
	Width, Height int            // samples: the picture's size times Across and Down, rounded up
	Across, Down  float64        // samples per pixel
	Stride        int            // bytes from a row to the next, a multiple of 16
	Samples       unsafe.Pointer // valid until Planes.Free
}

// Decode decodes the components at luma/8 and chroma/8 of their stored size. luma and chroma are from
// 1 to 8. Decode needs memory for the planes and, for a progressive file, for the coefficients. It
// returns ErrOther, before it decodes the first pixel, for a file that other decoders must decode;
// another error means that libjpeg cannot decode the file. The caller must free the planes.
func Decode(file []byte, luma, chroma int) (*Planes, error) {
	return decode(file, luma, chroma, func(at *C.uchar, to *C.jpeg_planes) C.int {
		return C.jpeg_planes_decode(at, C.size_t(len(file)), C.int(luma), C.int(chroma), to)
	})
}

// library decodes with libjpeg alone. own uses this package's transforms to 2/8 and 4/8.
func library(file []byte, luma, chroma int, own bool) (*Planes, error) {
	with := C.int(0)
	if own {
		with = 1
	}
	return decode(file, luma, chroma, func(at *C.uchar, to *C.jpeg_planes) C.int {
		return C.jpeg_planes_library(at, C.size_t(len(file)), C.int(luma), C.int(chroma), with, to)
	})
}

func decode(file []byte, luma, chroma int, by func(*C.uchar, *C.jpeg_planes) C.int) (*Planes, error) {
	if luma < 1 || luma > 8 || chroma < 1 || chroma > 8 {
		return nil, fmt.Errorf("decode a JPEG at %d/8 and %d/8: use scales from 1/8 to 8/8", luma, chroma)
	}
	if len(file) == 0 {
		return nil, ErrOther
	}
	p := &Planes{}
	switch by((*C.uchar)(unsafe.Pointer(&file[0])), &p.c) {
	case C.JPEG_DECODED:
		p.describe()
		return p, nil
	case C.JPEG_OTHER:
		return nil, ErrOther
	}
	return nil, fmt.Errorf("decode a JPEG: %s", C.GoString(&p.c.message[0]))
}

func (p *Planes) describe() {
	p.Width, p.Height, p.Warned = int(p.c.width), int(p.c.height), p.c.warned != 0
	for _, c := range p.c.plane[:p.c.count] {
		p.Planes = append(p.Planes, Plane{
			Width: int(c.width), Height: int(c.height), Across: float64(c.across), Down: float64(c.down),
			Stride: int(c.stride), Samples: unsafe.Pointer(c.samples),
		})
	}
}

// Free frees the planes' memory. A second call does nothing.
func (p *Planes) Free() {
	C.jpeg_planes_free(&p.c)
	p.Planes = nil
}

// Row returns row y of the plane, without the padding.
func (p Plane) Row(y int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(p.Samples, y*p.Stride)), p.Width)
}
