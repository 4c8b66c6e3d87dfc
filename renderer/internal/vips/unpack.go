package vips

// #include <stdlib.h>
// #include "planes.h"
// #include "unpack.h"
// #include "vips.h"
import "C"

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// mostUnpacked is the most pixels of a PNG that is unpacked at once, in three bytes each. libvips reads larger ones in
// strips.
const mostUnpacked = 16_000_000

// bytesOfColours is the number of bytes of a pixel of three colours.
const bytesOfColours = 3

// reduce draws a reduction of an original that is decoded at once. It returns false for other originals, and for originals
// with any error; libvips draws them then.
func (r *render) reduce(stored, scaled geometry.Size, orientation int) (done bool, err error) {
	if scaled.Width > stored.Width || scaled.Height > stored.Height || scaled == stored || orientation > 1 {
		return false, nil
	}
	var reduced picture
	switch {
	case r.unpacks(stored):
		reduced, err = r.reducePNG(stored, scaled)
	case r.hasPlainPlanes():
		reduced, err = r.reduceAVIF(stored, scaled)
	}
	if reduced.ptr == nil || err != nil {
		return false, err
	}
	profile := r.current.blob(iccName)
	r.keep(reduced)
	r.scaled = scaled != r.source
	C.tm_set_profile(reduced.ptr, unsafe.Pointer(unsafe.SliceData(profile)), C.size_t(len(profile)))
	return true, r.settleColours()
}

// unpacks reports whether the original can be a PNG of three colours of 8 bits, of at most mostUnpacked pixels.
func (r *render) unpacks(stored geometry.Size) bool {
	h := r.header
	return h.Type == thumbnail.TypePNG && !h.Whole && !h.Deep && !h.Alpha && !h.Indexed && stored.Width*stored.Height <= mostUnpacked
}

// reducePNG returns a reduction of a PNG of three colours of 8 bits. It returns no picture for other files and for files with
// any error.
func (r *render) reducePNG(stored, scaled geometry.Size) (picture, error) {
	file, err := mapWhole(r.fd, unix.PROT_READ)
	if err != nil {
		return picture{}, nil //nolint:nilerr // libvips reports the error
	}
	data := packedRows(file, stored)
	_ = unix.Munmap(file) // before the rows take as much memory
	rows := unpackRows(data, stored)
	if rows == nil {
		return picture{}, nil
	}
	defer rows.free()
	return reduceRows(rows, stored, scaled)
}

// reduceRows scales restored rows, each behind one byte.
func reduceRows(rows scratch, from, to geometry.Size) (picture, error) {
	pixels, err := newScratch(to.Width * to.Height * bytesOfColours)
	if err != nil {
		return picture{}, err
	}
	defer pixels.free()
	in := C.TmSamples{width: C.int(from.Width), height: C.int(from.Height), stride: C.int(from.Width*bytesOfColours + 1), samples: (*C.uchar)(&rows[1])}
	across := axis(float64(from.Width), to.Width, 0, from.Width, false, false)
	down := axis(float64(from.Height), to.Height, 0, from.Height, false, false)
	if C.tm_pixels_scale(&in, bytesOfColours, &across, &down, (*C.uchar)(&pixels[0]), C.int(to.Width), C.int(to.Height)) != 0 {
		return picture{}, errNoMemory
	}
	return step(func(out **C.VipsImage) C.int {
		return C.tm_copied(unsafe.Pointer(&pixels[0]), C.int(to.Width), C.int(to.Height), bytesOfColours, out)
	})
}

// unpackRows decompresses and frees joined chunks. It returns rows, each behind one byte, or nil. The caller frees them.
func unpackRows(data scratch, size geometry.Size) scratch {
	if data == nil {
		return nil
	}
	defer data.free()
	length := (size.Width*bytesOfColours + 1) * size.Height
	rows, err := newScratch(length + C.TM_UNPACK_SLACK)
	if err != nil {
		return nil
	}
	if C.tm_inflate((*C.uchar)(&data[0]), C.size_t(len(data)), (*C.uchar)(&rows[0]), C.size_t(length)) != 0 ||
		C.tm_png_restore((*C.uchar)(&rows[0]), C.int(size.Width), C.int(size.Height)) != 0 {
		rows.free()
		return nil
	}
	return rows
}

// packedRows joins the IDAT chunks of a PNG whose header names so many pixels of three colours of 8 bits, not interlaced.
// It returns nil for other files, and for a file with an error before its end (PNG, third edition, 5.3 and 11.2).
func packedRows(file []byte, size geometry.Size) scratch {
	header := binary.BigEndian.AppendUint32(nil, uint32(size.Width))    //nolint:gosec // below mostUnpacked
	header = binary.BigEndian.AppendUint32(header, uint32(size.Height)) //nolint:gosec // as above
	header = append(header, 8, 2, 0, 0, 0)
	const signature, around = 8, 12
	data, err := newScratch(len(file))
	if err != nil {
		return nil
	}
	n := 0
	for at, first := signature, true; len(file)-at >= around; first = false {
		length := int(binary.BigEndian.Uint32(file[at:]))
		if length > len(file)-at-around {
			break
		}
		end := at + 8 + length
		kind, body := string(file[at+4:at+8]), file[at+8:end]
		broken := binary.BigEndian.Uint32(file[end:]) != crc32.ChecksumIEEE(file[at+4:end])
		other := first != (kind == "IHDR") || first && !bytes.Equal(body, header) || kind == "tRNS"
		switch {
		case broken || other:
			data.free()
			return nil
		case kind == "IDAT":
			n += copy(data[n:], body)
		case kind == "IEND" && n > 0:
			return data[:n]
		}
		at = end + 4
	}
	data.free()
	return nil
}
