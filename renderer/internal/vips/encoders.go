package vips

// #include "vips.h"
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/metadata"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// encoder returns a finished picture as a file. The quality is 1 to 100; encoders of lossless formats ignore
// it.
type encoder func(r *render, quality int) ([]byte, error)

// encoders has an encoder for each format of still pictures.
var encoders = map[thumbnail.Format]encoder{
	thumbnail.FormatJPEG: (*render).jpeg,
	thumbnail.FormatPNG:  (*render).png,
	thumbnail.FormatWebP: (*render).webP,
	thumbnail.FormatGIF:  (*render).gif,
	thumbnail.FormatAVIF: (*render).avif,
	thumbnail.FormatJXL:  (*render).jxl,
}

// byVips encodes with libvips. how is a suffix with options, as libvips' own programs take them.
func (r *render) byVips(how string) ([]byte, error) { return r.current.encoded(how) }

// encoded returns the picture as a file; how is as for byVips.
func (p picture) encoded(how string) ([]byte, error) {
	text := C.CString(how)
	defer C.free(unsafe.Pointer(text))
	var out unsafe.Pointer
	var length C.size_t
	if C.tm_encode(p.ptr, text, &out, &length) != 0 {
		return nil, vipsError()
	}
	defer C.tm_free(out)
	return C.GoBytes(out, C.int(length)), nil
}

func (r *render) area() int { return r.current.width() * r.current.height() }

// Effort is how much time encoders take to save bytes.
type Effort int

// The efforts.
const (
	Usual   Effort = iota
	Hasty          // while many thumbnails wait
	Patient        // when nobody waits
)

// by returns the number of the render's effort.
func (r *render) by(hasty, usual, patient int) int {
	switch r.effort {
	case Hasty:
		return hasty
	case Patient:
		return patient
	}
	return usual
}

// large reports whether the picture gets less effort: the last percent of its bytes would take most of a
// minute.
func (r *render) large() bool { return r.area() > 4_000_000 }

func (r *render) gif(int) ([]byte, error) {
	if r.large() {
		return r.byVips(".gif[effort=1]")
	}
	return r.byVips(fmt.Sprintf(".gif[effort=%d]", r.by(2, 5, 7)))
}

// avif uses little effort: more effort hardly saves bytes (docs/benchmarks.md has the figures).
func (r *render) avif(quality int) ([]byte, error) {
	effort := r.by(0, 1, 2)
	if r.large() {
		effort = 0
	}
	return r.byVips(fmt.Sprintf(".avif[Q=%d,effort=%d%s]", quality, effort, r.profileAlone()))
}

// jxl uses the library's usual effort, and less for large pictures.
func (r *render) jxl(quality int) ([]byte, error) {
	effort := r.by(3, 7, 7)
	if r.large() {
		effort = 3
	}
	return r.byVips(fmt.Sprintf(".jxl[Q=%d,effort=%d]", quality, effort))
}

const errorLength = 200 // libjpeg's JMSG_LENGTH_MAX

func (r *render) jpeg(quality int) ([]byte, error) {
	j := C.TmJpeg{
		quality: C.int(quality), full_chroma: cBool(r.spec.Chroma == "4:4:4"), progressive: cBool(r.spec.Progressive),
		worth: r.worth(),
	}
	exif, profile := r.exif(), r.current.blob(iccName)
	if r.planes != nil {
		profile = r.written(profile)
		j.width, j.height, j.bands, j.planes = C.int(r.width()), C.int(r.height()), r.planes.ptr.count, r.planes.ptr
	} else {
		in := r.current.ptr
		j.width, j.height, j.bands, j.pixels = in.Xsize, in.Ysize, in.Bands, (*C.uchar)(C.tm_pixels(in))
	}
	j.exif_length, j.profile_length = C.size_t(len(exif)), C.size_t(len(profile))
	cExif, cProfile := C.CBytes(exif), C.CBytes(profile)
	defer C.free(cExif)
	defer C.free(cProfile)
	j.exif, j.profile = (*C.uchar)(cExif), (*C.uchar)(cProfile)
	var out *C.uchar
	var length C.ulong
	var reason [errorLength]C.char
	failed := C.tm_jpeg(&j, &out, &length, &reason[0]) != 0
	defer C.free(unsafe.Pointer(out))
	if failed {
		return nil, errors.New("libjpeg: " + C.GoString(&reason[0]))
	}
	return C.GoBytes(unsafe.Pointer(out), C.int(length)), nil
}

// exif returns the part of the original's Exif that the thumbnail keeps, or nil.
func (r *render) exif() []byte {
	original := r.steps[0].blob("exif-data")
	switch {
	case r.spec.StripEXIF:
		return nil
	case r.spec.KeepEXIF:
		return metadata.Whole(original, !r.spec.AsStored)
	}
	return metadata.Keep(original)
}

// worth returns the worth of a saved bit of a JPEG's luma: the squared error that it may cost, in steps of
// the quantiser. The worth is low where errors show: on the edges of drawings and pages, and in
// sharpened pictures. The numbers were measured on Wikimedia's references: higher numbers lose more structural
// similarity than they save bytes. 0 leaves rounding to libjpeg.
func (r *render) worth() C.float {
	of := r.origin()
	switch {
	case r.spec.Intermediate:
		return 0
	case of == thumbnail.TypeJPEG && r.spec.Sharpen == nil && r.scaled:
		return 0 // the commonest thumbnail, and the library's own encoder is faster
	case r.spec.Sharpen != nil:
		return 0.010
	case of == thumbnail.TypeVideo: // the noise of a video is its encoder's
		return 0.06
	case slices.Contains([]thumbnail.Type{thumbnail.TypeJPEG, thumbnail.TypeTIFF, thumbnail.TypeWebP, thumbnail.TypeHEIC, thumbnail.TypeAVIF}, of):
		return 0.025
	}
	return 0.005
}

// webP keeps PNGs and SVGs lossless, as Wikimedia does. A quality of 100 is lossless too, as in Thumbor.
func (r *render) webP(quality int) ([]byte, error) {
	if r.planes != nil {
		return r.webPOfPlanes(quality)
	}
	if quality == 100 {
		return r.encodeWebP(quality, true)
	}
	first := quality == r.spec.QualityOf(thumbnail.FormatWebP) // the lower qualities of max_bytes are lossy
	if t := r.origin(); first && (t == thumbnail.TypePNG || t == thumbnail.TypeSVG) {
		lossless, err := r.losslessWebP()
		if err != nil || lossless != nil && (r.spec.MaxBytes == 0 || len(lossless) <= r.spec.MaxBytes) {
			return lossless, err
		}
	}
	return r.encodeWebP(quality, false)
}

// lossyEffort is libwebp's method for lossy pictures; its own usual one is 4.
func (r *render) lossyEffort() int { return r.by(2, 4, 6) }

func (r *render) encodeWebP(quality int, lossless bool) ([]byte, error) {
	how := fmt.Sprintf(".webp[Q=%d,effort=%d]", quality, r.lossyEffort())
	switch {
	case lossless && r.large():
		how = hastyWebP
	case lossless:
		how = patientWebP
	case r.origin() == thumbnail.TypeVideo: // finding the frame took far longer than any effort here
		how = fmt.Sprintf(".webp[Q=%d,effort=6,preset=photo]", quality)
	}
	return r.packWebP(how)
}
