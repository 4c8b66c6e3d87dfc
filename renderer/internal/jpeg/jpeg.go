// Package jpeg decodes a JPEG into the planes of its components, each at its own resolution,
// scaled in the inverse transform. It decodes no more of the file than the scale needs. It is
// for workers alone: what it reads is hostile.
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

// ErrOther says that a file is of a kind that this package leaves to other decoders: colours
// other than YCbCr and grey, 12 bits, arithmetic coding, no loss, rare subsampling, no JPEG.
var ErrOther = errors.New("a JPEG of another kind than luma and chroma in 8 bits")

// Planes are a decoded JPEG.
type Planes struct {
	Width, Height int     // of the picture in pixels, as it is stored
	Planes        []Plane // one of grey; else Y, Cb, Cr as JFIF has them
	Warned        bool    // the file is damaged or cut short, and libjpeg filled what is missing

	c C.jpeg_planes
}

// Plane is a component: 8 bits a sample, in the memory of C.
type Plane struct {
	Width, Height int
	Across, Down  float64        // samples for a pixel: Width is that of the picture's, rounded up
	Stride        int            // bytes from a row to the next, a multiple of 16
	Samples       unsafe.Pointer // valid until Planes.Free
}

// Decode decodes the components at luma/8 and chroma/8 of the size in which they are stored: a
// number from 1 to 8 each. The memory is the planes' and, for a progressive file, that of the
// coefficients. Its error is ErrOther before the first pixel; any other means that libjpeg can
// not decode the file. Planes must be freed.
func Decode(file []byte, luma, chroma int) (*Planes, error) {
	return decode(file, luma, chroma, func(at *C.uchar, to *C.jpeg_planes) C.int {
		return C.jpeg_planes_decode(at, C.size_t(len(file)), C.int(luma), C.int(chroma), to)
	})
}

// library decodes with libjpeg alone; own: but for the transforms to 2/8 and 4/8.
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
		return nil, fmt.Errorf("decode a JPEG at %d/8 and %d/8: scales go from 1/8 to 8/8", luma, chroma)
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

// Free gives the planes' memory back. A second call does nothing.
func (p *Planes) Free() {
	C.jpeg_planes_free(&p.c)
	p.Planes = nil
}

// Row is row y of the plane, without what pads it.
func (p Plane) Row(y int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(p.Samples, y*p.Stride)), p.Width)
}
