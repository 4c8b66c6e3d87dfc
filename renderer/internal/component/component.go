// Package component knows the libraries and programs that a machine draws with: which of them
// matter to which type of original, and what some versions are known to draw wrongly.
package component

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// The names of components.
const (
	Libvips      = "libvips"
	LibjpegTurbo = "libjpeg-turbo"
	Libpng       = "libpng"
	Libspng      = "libspng"
	Libwebp      = "libwebp"
	Libtiff      = "libtiff"
	Libheif      = "libheif"
	Libde265     = "libde265"
	Dav1d        = "dav1d"
	Libaom       = "libaom"
	Libjxl       = "libjxl"
	OpenJPEG     = "openjpeg"
	Librsvg      = "librsvg"
	Poppler      = "poppler"
	DjVuLibre    = "djvulibre"
	ImageMagick  = "imagemagick"
	FFmpeg       = "ffmpeg"
	Gifsicle     = "gifsicle"
	OptiPNG      = "optipng"
)

// decoders lists, by type of original, the components whose upgrade can mend what failed. Of
// what a tool draws that is the tool: libvips then scales a raster, which does not fail.
var decoders = map[thumbnail.Type][]string{
	thumbnail.TypeJPEG:  {Libvips, LibjpegTurbo, FFmpeg},
	thumbnail.TypePNG:   {Libvips, Libpng, Libspng, ImageMagick},
	thumbnail.TypeWebP:  {Libvips, Libwebp},
	thumbnail.TypeTIFF:  {Libvips, Libtiff, ImageMagick},
	thumbnail.TypeHEIC:  {Libvips, Libheif, Libde265, FFmpeg},
	thumbnail.TypeAVIF:  {Libvips, Libheif, Dav1d, Libaom, FFmpeg},
	thumbnail.TypeJXL:   {Libvips, Libjxl},
	thumbnail.TypeJP2:   {Libvips, OpenJPEG},
	thumbnail.TypeGIF:   {Gifsicle, Libvips},
	thumbnail.TypeSVG:   {Librsvg},
	thumbnail.TypePDF:   {Poppler},
	thumbnail.TypeDjVu:  {DjVuLibre},
	thumbnail.TypeXCF:   {},
	thumbnail.TypeVideo: {FFmpeg},
	thumbnail.TypeBMP:   {ImageMagick},
	thumbnail.TypeICO:   {ImageMagick},
	thumbnail.TypePSD:   {ImageMagick, FFmpeg},
	thumbnail.TypeTGA:   {ImageMagick},
	thumbnail.TypePNM:   {ImageMagick},
	thumbnail.TypeSTL:   {},
}

// Versions are those of the components that a machine has.
type Versions map[string]string

// Engine names what draws a type and the rules of rendering, as "librsvg-2.54.7-rules-3": an
// original that failed is tried again when it changes. A type of which this package does not
// know the decoders has all components.
func (v Versions) Engine(t thumbnail.Type) string {
	names, known := decoders[t]
	if !known {
		names = slices.Sorted(maps.Keys(v))
	}
	var parts []string
	for _, name := range names {
		if version := v[name]; version != "" {
			parts = append(parts, name+"-"+version)
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("rules-%d", thumbnail.RulesVersion)), "-")
}

// Engines are those of all types that a name can promise.
func (v Versions) Engines() map[thumbnail.Type]string {
	all := map[thumbnail.Type]string{thumbnail.TypeUnknown: v.Engine(thumbnail.TypeUnknown)}
	for t := range decoders {
		all[t] = v.Engine(t)
	}
	return all
}

// number is a version as programs and libraries print it: "2.54.7", "5.1.9-0+deb12u1".
var number = regexp.MustCompile(`\d+(\.\d+)+[^\s,()]*`)

// Find finds the version in what a program or library says of itself; "" when there is none.
func Find(text string) string { return number.FindString(text) }
