package vips

// #cgo pkg-config: libdeflate
// #include <stdlib.h>
// #include "vips.h"
// #include "pack.h"
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/metadata"
)

const (
	// patient pictures have at most so many pixels, and get more effort.
	patient = 2_500_000
	// mostWhole is how many pixels are compressed at once, which takes twelve bytes for each.
	mostWhole = 30_000_000
)

// png filters and compresses all at once. libvips writes interlaced pictures, and in strips those that
// would take too much memory.
func (r *render) png(int) ([]byte, error) {
	switch area := r.area(); {
	case r.spec.Intermediate:
		return r.byVips(".png[compression=1,filter=up" + r.profileAlone() + "]")
	case r.spec.Progressive || area > mostWhole:
		return r.pngByVips(area <= patient)
	}
	bands := int(r.current.ptr.Bands)
	pixels := unsafe.Slice((*byte)(C.tm_pixels(r.current.ptr)), r.area()*bands)
	file, err := packPNG(raw{width: r.current.width(), height: r.current.height(), bands: bands, pixels: pixels})
	return metadata.WithProfile(file, r.current.blob(iccName)), err
}

// pngByVips takes a level at which smooth pictures do not take zlib longer than others, or the best.
func (r *render) pngByVips(best bool) ([]byte, error) {
	compression := 4
	if best {
		compression = 9
	}
	return r.byVips(fmt.Sprintf(".png[compression=%d,interlace=%t,filter=all%s]", compression, r.spec.Progressive, r.profileAlone()))
}

// profileAlone is an option that keeps libvips from writing an Exif of its own making, which it
// does into AVIF, and from 8.16 on into PNG. Before 8.15 it takes the profile as well.
func (r *render) profileAlone() string {
	switch {
	case C.vips_version(0)*100+C.vips_version(1) >= 815:
		return ",keep=icc"
	case r.current.blob("icc-profile-data") == nil:
		return ",strip=true"
	}
	return ""
}
