package vips

// #cgo pkg-config: libwebp
// #include <stdlib.h>
// #include "webp.h"
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/jpeg"
	"github.com/thumbmill/thumbmill/renderer/internal/metadata"
)

// How much larger than the thumbnail a WebP is decoded: its decoder averages luma and chroma as
// they are stored, which shows below twice the size, and sharpened below three times.
const webPSlack = 2

// shrinkWebP is how much libwebp shrinks while it loads a photograph that is so much larger than its
// thumbnail. Averages of drawings would show, and averages of the colours behind transparency.
func (r *render) shrinkWebP(larger float64) int {
	slack := float64(webPSlack)
	if r.spec.Sharpen != nil {
		slack = averagedSlack
	}
	if h := r.header; h.Alpha || h.Frames > 1 || !lossyWebP(r.fd) {
		return 1
	}
	return max(1, int(larger/slack))
}

// Lossless WebPs. A picture of more than losslessBytes a pixel is a photograph in any type of original.
// Without effort a file takes up to a tenth more: a picture above hopelessBytes then stays above losslessBytes,
// and gets no effort, which takes far longer. A noisy picture above noisyBytes gets little effort, and so does an opaque one above half
// of it: the rest takes four times as long, and saves a twentieth.
const (
	losslessBytes = 1.5
	hopelessBytes = losslessBytes * 1.15
	noisyBytes    = 1.0
	briefly       = 1.07 // bytes of a brief file, for each byte of a patient one
	hastyWebP     = ".webp[lossless=true,effort=0]"
	briefWebP     = ".webp[lossless=true,effort=1]"
	patientWebP   = ".webp[lossless=true,effort=4]"
)

// losslessWebP returns nil for a picture that takes too many bytes.
func (r *render) losslessWebP() ([]byte, error) {
	file, err := r.packWebP(hastyWebP)
	if err != nil || float64(len(file)) > hopelessBytes*float64(r.area()) {
		return nil, err
	}
	most := losslessBytes * float64(r.area())
	noise := float64(len(file)) / float64(r.area())
	if !r.current.hasAlpha() {
		noise *= 2
	}
	switch noisy := noise > noisyBytes; {
	case r.large() || r.effort == Hasty:
	case noisy:
		most *= briefly
		file, err = r.packWebP(briefWebP)
	default:
		file, err = r.packWebP(patientWebP)
	}
	if err != nil || float64(len(file)) > most {
		return nil, err
	}
	return file, nil
}

func (r *render) packWebP(how string) ([]byte, error) {
	file, err := r.byVips(how)
	return metadata.WithoutExif(file), err
}

// mostChunks of a WebP are looked at: the picture comes after a few of metadata (RFC 9649).
const mostChunks = 16

// lossyWebP reports whether the file's picture is as photographs are.
func lossyWebP(fd int) bool {
	var head [8]byte
	at := int64(12)
	for range mostChunks {
		if n, err := unix.Pread(fd, head[:], at); n < len(head) || err != nil {
			return false
		}
		switch string(head[:4]) {
		case "VP8 ":
			return true
		case "VP8L":
			return false
		}
		length := int64(binary.LittleEndian.Uint32(head[4:]))
		at += int64(len(head)) + length + length&1
	}
	return false
}

// webPPlanes decodes a lossy WebP to planes that are smaller by a factor, in this package's memory.
func webPPlanes(file []byte, stored geometry.Size, factor int) (*jpeg.Planes, error) {
	to := geometry.Size{Width: (stored.Width + factor - 1) / factor, Height: (stored.Height + factor - 1) / factor}
	half := geometry.Size{Width: (to.Width + 1) / 2, Height: (to.Height + 1) / 2}
	planes := &jpeg.Planes{Width: stored.Width, Height: stored.Height}
	var samples [components]*C.uchar
	var strides [components]C.int
	for i, size := range []geometry.Size{to, half, half} {
		stride := (size.Width + 15) &^ 15
		memory := C.malloc(C.size_t(stride * size.Height))
		if memory == nil {
			freeOwn(planes)
			return nil, errNoMemory
		}
		samples[i], strides[i] = (*C.uchar)(memory), C.int(stride)
		planes.Planes = append(planes.Planes, jpeg.Plane{
			Width: size.Width, Height: size.Height, Stride: stride, Samples: memory,
			Across: float64(size.Width) / float64(stored.Width), Down: float64(size.Height) / float64(stored.Height),
		})
	}
	if C.tm_webp_planes((*C.uchar)(&file[0]), C.size_t(len(file)), C.int(stored.Width), C.int(stored.Height), C.int(to.Width), C.int(to.Height),
		&samples[0], &strides[0]) != 0 {
		freeOwn(planes)
		return nil, errors.New("not a whole lossy WebP without alpha")
	}
	return planes, nil
}

// webPOfPlanes encodes planes as libvips would encode their RGB.
func (r *render) webPOfPlanes(quality int) ([]byte, error) {
	var out *C.uchar
	var length C.size_t
	code := C.tm_webp(r.planes.ptr, C.int(quality), C.int(r.lossyEffort()), &out, &length)
	defer C.tm_webp_free(unsafe.Pointer(out))
	if code != 0 {
		return nil, fmt.Errorf("libwebp: encoding failed with code %d", code)
	}
	return C.GoBytes(unsafe.Pointer(out), C.int(length)), nil
}
