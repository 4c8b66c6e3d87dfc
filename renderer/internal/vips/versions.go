package vips

// #include <stdlib.h>
// #include "versions.h"
// #include "vips.h"
import "C"

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/component"
)

// libraries are libvips' decoders, each with the beginning of its file's name and the function that
// returns its version.
var libraries = []struct {
	name           string
	file, function string
	read           func(library, function *C.char) string
}{
	{component.Libpng, "libpng16.so.", "png_get_libpng_ver", text},
	{component.Libspng, "libspng.so.", "spng_version_string", text},
	{component.Libwebp, "libwebp.so.", "WebPGetDecoderVersion", func(l, f *C.char) string { return parts(l, f, 1<<16, 1<<8) }},
	{component.Libtiff, "libtiff.so.", "TIFFGetVersion", text},
	{component.Libheif, "libheif.so.", "heif_get_version", text},
	{component.Libde265, "libde265.so.", "de265_get_version", text},
	{component.Dav1d, "libdav1d.so.", "dav1d_version", text},
	{component.Libaom, "libaom.so.", "aom_codec_version_str", text},
	{component.Libjxl, "libjxl.so.", "JxlDecoderVersion", func(l, f *C.char) string { return parts(l, f, 1_000_000, 1_000) }},
	{component.OpenJPEG, "libopenjp2.so.", "opj_version", text},
}

// Versions returns the versions of libvips and of its decoders. It omits libraries that are not loaded
// or have no function for their version. Call it after Init.
func Versions() component.Versions {
	all := component.Versions{component.Libvips: fmt.Sprintf("%d.%d.%d", C.vips_version(0), C.vips_version(1), C.vips_version(2))}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return all
	}
	for line := range strings.Lines(string(maps)) {
		at := strings.IndexByte(line, '/')
		if at < 0 {
			continue
		}
		path := strings.TrimSpace(line[at:])
		for _, l := range libraries {
			if all[l.name] == "" && strings.HasPrefix(filepath.Base(path), l.file) {
				library, function := C.CString(path), C.CString(l.function)
				all[l.name] = l.read(library, function)
				C.free(unsafe.Pointer(library))
				C.free(unsafe.Pointer(function))
			}
		}
	}
	return all
}

func text(library, function *C.char) string {
	return component.Find(C.GoString(C.tm_version_text(library, function)))
}

// parts returns the version in a number of the form major × a + minor × b + patch, or "".
func parts(library, function *C.char, a, b C.uint) string {
	n := C.tm_version_number(library, function)
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", n/a, n%a/b, n%b)
}
