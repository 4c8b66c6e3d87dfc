package vips

// #include "vips.h"
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"slices"
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/metadata"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// encoder returns a finished picture as a file. The quality is 1 to 100; encoders of lossless formats ignore
// it.
type encoder func(r *render, quality int) ([]byte, error)

// encoders has an encoder for each row of the table of formats.
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

// large reports whether the picture gets less effort: the last percent of its bytes would take most of a
// minute.
func (r *render) large() bool { return r.area() > 4_000_000 }

func (r *render) gif(int) ([]byte, error) {
	if r.large() {
		return r.byVips(".gif[effort=1]")
	}
	return r.byVips(".gif[effort=7]")
}

// avif uses little effort: more effort hardly saves bytes (docs/benchmarks.md has the figures).
func (r *render) avif(quality int) ([]byte, error) {
	effort := 1
	if r.large() {
		effort = 0
	}
	return r.byVips(fmt.Sprintf(".avif[Q=%d,effort=%d%s]", quality, effort, r.profileAlone()))
}

// jxl uses the library's usual effort, and less for large pictures.
func (r *render) jxl(quality int) ([]byte, error) {
	effort := 7
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

// losslessBytes is the most bytes a pixel of a lossless WebP. A picture that takes more is a photograph, even
// if its original is a PNG.
const losslessBytes = 1.5

// webP keeps PNGs and SVGs lossless, as Wikimedia does. A quality of 100 is lossless too, as in Thumbor.
func (r *render) webP(quality int) ([]byte, error) {
	if t := r.origin(); t == thumbnail.TypePNG || t == thumbnail.TypeSVG || quality == 100 {
		lossless, err := r.encodeWebP(quality, true)
		if err != nil || quality == 100 || float64(len(lossless)) <= losslessBytes*float64(r.current.width()*r.current.height()) {
			return lossless, err
		}
	}
	return r.encodeWebP(quality, false)
}

func (r *render) encodeWebP(quality int, lossless bool) ([]byte, error) {
	how := fmt.Sprintf(".webp[Q=%d,effort=4]", quality)
	switch {
	case lossless && r.large():
		how = ".webp[lossless=true,effort=0]"
	case lossless:
		how = ".webp[lossless=true,effort=4]"
	case r.origin() == thumbnail.TypeVideo: // finding the frame took far longer than any effort here
		how = fmt.Sprintf(".webp[Q=%d,effort=6,preset=photo]", quality)
	}
	file, err := r.byVips(how)
	return metadata.WithoutExif(file), err
}

// png encodes grey and interlaced pictures with libvips: Go's encoder makes more bytes of grey, and cannot
// interlace. Go's encoder packs coloured pictures better, and in less time (docs/benchmarks.md has
// the figures).
//
// The best compression is slow in smooth pictures: it takes 26 seconds for four megapixels of clouds. The
// usual compression takes 2 seconds, and the file is 9 % larger. Large pictures therefore get the usual one.
func (r *render) png(int) ([]byte, error) {
	area := r.area()
	if r.spec.Intermediate {
		return r.byVips(".png[compression=1,filter=up" + r.profileAlone() + "]")
	}
	if r.current.ptr.Bands < 3 || r.spec.Progressive {
		return r.pngByVips(area <= patientGrey)
	}
	coloured := r.coloured()
	_, paletted := coloured.(*image.Paletted)
	if !paletted && area > patientColoured {
		return r.pngByVips(false)
	}
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if area > patientGrey {
		encoder.CompressionLevel = png.DefaultCompression
	}
	var packed bytes.Buffer
	if err := encoder.Encode(&packed, coloured); err != nil {
		return nil, err
	}
	return metadata.WithProfile(packed.Bytes(), r.current.blob(iccName)), nil
}

// A PNG of up to so many pixels gets the best compression: patientGrey for one byte a pixel, patientColoured
// for more.
const (
	patientGrey     = 2_500_000
	patientColoured = 1 << 20
)

func (r *render) pngByVips(best bool) ([]byte, error) {
	compression := 6
	if best {
		compression = 9
	}
	return r.byVips(fmt.Sprintf(".png[compression=%d,interlace=%t,filter=all%s]", compression, r.spec.Progressive, r.profileAlone()))
}

// profileAlone returns an option that keeps libvips from adding its own Exif to AVIF, and from 8.16 on to
// PNG. Before 8.15 the option would also drop the profile, so a picture with a profile gets no option.
func (r *render) profileAlone() string {
	switch {
	case C.vips_version(0)*100+C.vips_version(1) >= 815:
		return ",keep=icc"
	case r.current.blob("icc-profile-data") == nil:
		return ",strip=true"
	}
	return ""
}

const maxColours = 256

// coloured returns the picture for Go's encoder. It has a palette if the picture has at most maxColours
// colours, as most drawings do.
func (r *render) coloured() image.Image {
	bands := int(r.current.ptr.Bands)
	bounds := image.Rect(0, 0, r.current.width(), r.current.height())
	pixels := unsafe.Slice((*byte)(C.tm_pixels(r.current.ptr)), bounds.Dx()*bounds.Dy()*bands)
	m := image.NewNRGBA(bounds)
	paletted := image.NewPaletted(bounds, nil)
	index := map[color.NRGBA]uint8{}
	for i := range bounds.Dx() * bounds.Dy() {
		p := pixels[i*bands : (i+1)*bands]
		c := color.NRGBA{R: p[0], G: p[1], B: p[2], A: 255}
		if bands == 4 {
			c.A = p[3]
		}
		m.Pix[4*i], m.Pix[4*i+1], m.Pix[4*i+2], m.Pix[4*i+3] = c.R, c.G, c.B, c.A
		if len(index) > maxColours {
			continue
		}
		at, known := index[c]
		if !known {
			at = uint8(len(index))
			index[c] = at
			paletted.Palette = append(paletted.Palette, c)
		}
		paletted.Pix[i] = at
	}
	if len(index) <= maxColours {
		return paletted
	}
	return m
}
