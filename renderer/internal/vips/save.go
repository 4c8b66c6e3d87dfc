package vips

// #include "vips.h"
import "C"

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/metadata"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// finish computes the picture as it will be saved: 8 bits, flattened where the
// format knows no alpha, in one band when it has no colours.
func (r *render) finish(format thumbnail.Format) error {
	width, height := r.current.width(), r.current.height()/max(1, r.frames)
	if most := longestSide(format); width > most || height > most {
		return fault.New(fault.BadURL, "a %s has at most %d pixels a side; this thumbnail would have %d × %d", format, most, width, height)
	}
	err := r.then(func(in *C.VipsImage, out **C.VipsImage) C.int {
		return C.tm_finish(in, cBool(format == thumbnail.FormatJPEG), out)
	})
	if err != nil {
		return err
	}
	if r.current.ptr.Bands >= 3 && C.tm_is_grey(r.current.ptr) != 0 {
		return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int { return C.tm_grey(in, out) })
	}
	profile := metadata.Profile(r.current.blob("icc-profile-data"), int(r.current.ptr.Bands))
	if r.spec.StripICC {
		profile = nil
	}
	C.tm_set_profile(r.current.ptr, unsafe.Pointer(unsafe.SliceData(profile)), C.size_t(len(profile)))
	return nil
}

// format is what is asked for, else the first that the client prefers and the
// picture can have, else what suits the original.
func (r *render) format() (thumbnail.Format, error) {
	if r.spec.Format != thumbnail.FormatAuto {
		return r.spec.Format, nil
	}
	transparent, err := r.transparent()
	if err != nil {
		return "", err
	}
	if r.spec.PNGToJPEG && r.origin() == thumbnail.TypePNG && !transparent {
		return thumbnail.FormatJPEG, nil
	}
	for _, f := range r.spec.Prefer {
		longest := max(r.current.width(), r.current.height())
		if r.header.Frames <= 1 && longest <= longestSide(f) && (f != thumbnail.FormatJPEG || !transparent) {
			return f, nil
		}
	}
	return r.origin().DefaultFormat(r.current.hasAlpha()), nil
}

// transparent is asked for only where it decides something.
func (r *render) transparent() (bool, error) {
	if !r.spec.PNGToJPEG && !slices.Contains(r.spec.Prefer, thumbnail.FormatJPEG) {
		return r.current.hasAlpha(), nil
	}
	if err := r.compute(); err != nil {
		return false, err
	}
	var found C.int
	if C.tm_transparent(r.current.ptr, &found) != 0 {
		return false, vipsError()
	}
	return found != 0, nil
}

func (r *render) save(format thumbnail.Format, fd int) error {
	switch format {
	case thumbnail.FormatJPEG:
		return r.within(r.jpeg, r.spec.QualityOf(format), fd)
	case thumbnail.FormatPNG:
		return r.savePNG(fd)
	case thumbnail.FormatWebP:
		return r.within(r.webP, r.spec.QualityOf(format), fd)
	case thumbnail.FormatAVIF:
		return r.within(r.avif, r.spec.QualityOf(format), fd)
	case thumbnail.FormatGIF:
		if C.tm_save_gif(r.current.ptr, C.int(fd)) != 0 {
			return vipsError()
		}
		return nil
	}
	return errors.New("no such format: " + string(format))
}

// worstQuality is the least that max_bytes lowers a quality to. It and the factor
// are Thumbor's.
const worstQuality = 10

// within encodes with less and less quality until the file is small enough. When
// none is, it is as if nothing had been asked.
func (r *render) within(encode func(quality int) ([]byte, error), quality, fd int) error {
	first, err := encode(quality)
	if err != nil {
		return err
	}
	smallest := first
	for most := r.spec.MaxBytes; most > 0 && len(smallest) > most; {
		if quality = quality * 3 / 4; quality < worstQuality {
			smallest = first
			break
		}
		if smallest, err = encode(quality); err != nil {
			return err
		}
	}
	return writeAll(fd, smallest)
}

func (r *render) avif(quality int) ([]byte, error) {
	var out unsafe.Pointer
	var length C.size_t
	if C.tm_avif(r.current.ptr, C.int(quality), &out, &length) != 0 {
		return nil, vipsError()
	}
	defer C.tm_free(out)
	return C.GoBytes(out, C.int(length)), nil
}

const errorLength = 200 // libjpeg's JMSG_LENGTH_MAX

func (r *render) jpeg(quality int) ([]byte, error) {
	in := r.current.ptr
	exif, profile := r.exif(), r.current.blob("icc-profile-data")
	j := C.TmJpeg{
		width: in.Xsize, height: in.Ysize, bands: in.Bands, pixels: (*C.uchar)(C.tm_pixels(in)),
		quality: C.int(quality), full_chroma: cBool(r.spec.Chroma == "4:4:4"), progressive: cBool(r.spec.Progressive),
		worth:       r.worth(),
		exif_length: C.size_t(len(exif)), profile_length: C.size_t(len(profile)),
	}
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

// exif is what the thumbnail keeps of the original's.
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

// worth is what a saved bit of a JPEG's luma is worth, in squared error counted in
// steps of the quantiser: little where it shows, on the edges of drawings and
// pages, and where it was sharpened. By measurement on Wikimedia's references:
// more takes more structural similarity than it saves bytes. 0 leaves it to libjpeg.
func (r *render) worth() C.float {
	of := r.origin()
	switch {
	case of == thumbnail.TypeJPEG && r.spec.Sharpen == nil && r.scaled:
		return 0 // the commonest of all, and the library's own encoder is faster
	case r.spec.Sharpen != nil:
		return 0.005
	case of == thumbnail.TypeVideo: // whose noise is its encoder's
		return 0.06
	case slices.Contains([]thumbnail.Type{thumbnail.TypeJPEG, thumbnail.TypeTIFF, thumbnail.TypeWebP, thumbnail.TypeHEIC, thumbnail.TypeAVIF}, of):
		return 0.025
	}
	return 0.005
}

// origin is the original's type: of what a tool drew by its name, else by its bytes.
func (r *render) origin() thumbnail.Type {
	if r.spec.Type.Unforeseeable() {
		return r.spec.Type
	}
	return r.header.Type
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// savePNG leaves to libvips what Go's encoder does not do as well: grey, of which
// it makes more bytes, and interlaced pictures. Coloured ones it packs better, and
// in less time (DESIGN.md has the figures).
//
// The best compression walks long ways in smooth pictures: 26 seconds for four
// megapixels of clouds, where 2 make a file 9 % larger. Large ones do without.
func (r *render) savePNG(fd int) error {
	area := r.current.width() * r.current.height()
	if r.current.ptr.Bands < 3 || r.spec.Progressive {
		return r.savePNGByVips(fd, area <= patientGrey)
	}
	coloured := r.coloured()
	_, paletted := coloured.(*image.Paletted)
	if !paletted && area > patientColoured {
		return r.savePNGByVips(fd, false)
	}
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if area > patientGrey {
		encoder.CompressionLevel = png.DefaultCompression
	}
	var packed bytes.Buffer
	if err := encoder.Encode(&packed, coloured); err != nil {
		return err
	}
	return writeAll(fd, metadata.WithProfile(packed.Bytes(), r.current.blob("icc-profile-data")))
}

// Up to so many pixels a PNG gets the best compression: of one byte each, of more.
const (
	patientGrey     = 2_500_000
	patientColoured = 1 << 20
)

func (r *render) savePNGByVips(fd int, best bool) error {
	compression := 6
	if best {
		compression = 9
	}
	if C.tm_save_png(r.current.ptr, C.int(compression), cBool(r.spec.Progressive), C.int(fd)) != 0 {
		return vipsError()
	}
	return nil
}

const maxColours = 256

// coloured gives the picture to Go: by a palette when its colours fit in one, as
// most drawings' do.
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

// losslessBytes a pixel is the most that a lossless WebP may take; what takes more
// is a photograph, whatever its original's format.
const losslessBytes = 1.5

// webP keeps drawings lossless, as Wikimedia does: what was a PNG or an SVG. A
// quality of 100 asks for that too, as in Thumbor.
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
	var out unsafe.Pointer
	var length C.size_t
	frame := cBool(r.origin() == thumbnail.TypeVideo)
	if C.tm_webp(r.current.ptr, C.int(quality), cBool(lossless), frame, &out, &length) != 0 {
		return nil, vipsError()
	}
	defer C.tm_free(out)
	return metadata.WithoutExif(C.GoBytes(out, C.int(length))), nil
}
