package vips

// #include "vips.h"
import "C"

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// finish computes the picture that the encoder writes: 8 bits, flattened if the format has no alpha,
// in one band if the picture has no colours.
func (r *render) finish(format thumbnail.Format) error {
	width, height := r.current.width(), r.current.height()
	if most := format.Row().LongestSide; width > most || height > most {
		return fault.New(fault.BadURL, "the thumbnail of %d × %d pixels is too large for a %s: at most %d pixels a side are allowed", width, height, format, most)
	}
	err := r.then(func(in *C.VipsImage, out **C.VipsImage) C.int {
		return C.tm_finish(in, cBool(!format.Row().Alpha), out)
	})
	if err != nil {
		return err
	}
	return r.finishColours()
}

// format returns the format that the spec names. Without one, or for a still picture in a format that has none, it returns the first format that the client
// prefers and that suits the picture, or the default of the original's type.
func (r *render) format() (thumbnail.Format, error) {
	if f := r.spec.Format; f != thumbnail.FormatAuto && !f.Row().MovesOnly {
		if !writable(f) {
			return f, fault.New(fault.Unsupported, "this renderer cannot write the format %q", f)
		}
		return f, nil
	}
	transparent, err := r.transparent()
	if err != nil {
		return "", err
	}
	if r.spec.PNGToJPEG && r.origin() == thumbnail.TypePNG && !transparent {
		return thumbnail.FormatJPEG, nil
	}
	return r.preferred(transparent, r.current.hasAlpha(), geometry.Size{Width: r.current.width(), Height: r.current.height()}), nil
}

// preferred returns the format of a picture whose spec names no format.
func (r *render) preferred(transparent, alpha bool, size geometry.Size) thumbnail.Format {
	for _, f := range r.spec.Prefer {
		row := f.Row()
		if writable(f) && max(size.Width, size.Height) <= row.LongestSide && (row.Alpha || !transparent) {
			return f
		}
	}
	return r.origin().DefaultFormat(alpha)
}

// writable reports whether this machine writes the format. An edge of a later version can ask for
// a format that is not in the table, and libvips can be built without a library.
func writable(f thumbnail.Format) bool {
	operation := map[thumbnail.Format]string{thumbnail.FormatAVIF: "heifsave_buffer", thumbnail.FormatJXL: "jxlsave_buffer"}[f]
	return encoders[f] != nil && (operation == "" || has(operation))
}

// transparent reports whether a pixel is not opaque. It computes all pixels only if the format depends on
// them, and otherwise reports whether the picture has alpha.
func (r *render) transparent() (bool, error) {
	opaque := func(f thumbnail.Format) bool { return !f.Row().Alpha }
	if !r.spec.PNGToJPEG && !slices.ContainsFunc(r.spec.Prefer, opaque) {
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

// save writes the finished picture.
func (r *render) save(format thumbnail.Format, fd int) error {
	file, err := r.encode(format)
	if err != nil {
		return err
	}
	return writeAll(fd, file)
}

func (r *render) encode(format thumbnail.Format) ([]byte, error) {
	if r.packs(format) {
		return r.packed()
	}
	return r.within(encoders[format], format)
}

// worstQuality is the lowest quality that max_bytes leads to. worstQuality and the factor 3/4 are
// Thumbor's.
const worstQuality = 10

// within encodes a lossy format with less and less quality until the file has at most max_bytes. If no
// file is small enough, it returns the first.
func (r *render) within(encode encoder, format thumbnail.Format) ([]byte, error) {
	quality := r.spec.QualityOf(format)
	first, err := encode(r, quality)
	if err != nil || r.spec.MaxBytes <= 0 || !format.Row().Lossy {
		return first, err
	}
	for file := first; ; {
		if len(file) <= r.spec.MaxBytes {
			return file, nil
		}
		if quality = quality * 3 / 4; quality < worstQuality {
			return first, nil
		}
		if file, err = encode(r, quality); err != nil {
			return nil, err
		}
	}
}

// origin returns the original's type, also if a tool drew the picture.
func (r *render) origin() thumbnail.Type { return cmp.Or(r.header.Original, r.header.Type) }

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
